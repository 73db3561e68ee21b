package management_test

import (
	"strings"
	"testing"
)

// A merge patch without fields changes nothing, also when the only field was not the client's to say.
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

// Values that are kept as they are written would come back as what no JSON reader takes.
func TestBodiesAreUTF8(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	w := s.want(t, 400, "owner", "PUT", "{sub}/resourceGroups/rg/providers/A.B/cs/c?api-version=2024-01-01", "{\"properties\":{\"a\":\"\xff\"}}")
	if got := w.Body.String(); !strings.Contains(got, "InvalidRequestContent") {
		t.Error(got)
	}
}
