package management_test

import (
	"strings"
	"testing"
)

// A merge patch without fields changes nothing, nor does one that only has a field that the server sets.
func TestEmptyPatchesKeepTheProperties(t *testing.T) {
	s := newStack(t)
	const at = "{sub}/resourceGroups/rg/providers/A.B/cs/c?api-version=2024-01-01"
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", at, `{"location":"eastus","properties":{"a":1}}`)
	for _, body := range []string{`{"properties":{}}`, `{"properties":{"provisioningState":"Failed"}}`, `{}`} {
		s.want(t, 200, "owner", "PATCH", at, body)
		if got := s.want(t, 200, "owner", "GET", at, "").Body.String(); !strings.Contains(got, `"properties":{"provisioningState":"Succeeded","a":1}`) {
			t.Errorf("after %s it is %s", body, got)
		}
	}
	s.want(t, 200, "owner", "PATCH", at, `{"properties":null}`)
	if got := s.want(t, 200, "owner", "GET", at, "").Body.String(); !strings.Contains(got, `"properties":{"provisioningState":"Succeeded"}`) {
		t.Errorf("without properties it is %s", got)
	}
}

// Values are stored and returned as given, and JSON parsers refuse a text that is not UTF-8.
func TestBodiesAreUTF8(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	w := s.want(t, 400, "owner", "PUT", "{sub}/resourceGroups/rg/providers/A.B/cs/c?api-version=2024-01-01", "{\"properties\":{\"a\":\"\xff\"}}")
	if got := w.Body.String(); !strings.Contains(got, "InvalidRequestContent") {
		t.Error(got)
	}
}

// A stored body is read again inside other objects. If it were too deep to be read, every list with it would
// fail, and it could not be deleted.
func TestBodyNestingIsLimited(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	const at = "{sub}/resourceGroups/rg/providers/A.B/cs/c?api-version=2024-01-01"
	nested := func(depth int) string {
		return strings.Repeat(`{"\"[":[`, depth/2) + "1" + strings.Repeat("]}", depth/2)
	}
	for _, field := range []string{"sku", "properties", "x"} {
		s.want(t, 201, "owner", "PUT", at, `{"`+field+`":`+nested(126)+`}`)
		s.want(t, 200, "owner", "PATCH", at, `{"`+field+`":`+nested(126)+`}`)
		s.want(t, 200, "owner", "GET", at, "")
		s.want(t, 200, "owner", "DELETE", at, "")
		for _, depth := range []int{128, 9998, 20000} {
			if w := s.want(t, 400, "owner", "PUT", at, `{"`+field+`":`+nested(depth)+`}`); !strings.Contains(w.Body.String(), "InvalidRequestContent") {
				t.Errorf("%d: %s", depth, w.Body)
			}
		}
	}
	s.want(t, 201, "owner", "PUT", at, `{"x":"`+strings.Repeat("[", 20000)+`"}`)
}
