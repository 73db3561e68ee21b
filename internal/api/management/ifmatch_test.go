package management_test

import (
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// send sends a request with one more header.
func (s *stack) send(t *testing.T, method, path, body string, header [2]string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, strings.ReplaceAll(path, "{sub}", "/subscriptions/"+sub), strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+s.token(t, "owner"))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(header[0], header[1])
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// A client that has read an older state of a machine or scale set does not overwrite the newer one.
func TestWritesWithAnOldETagAreRefused(t *testing.T) {
	for _, name := range []string{"virtualMachines/m", "virtualMachineScaleSets/s"} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t)
			path := "{sub}/resourceGroups/rg/providers/Microsoft.Compute/" + name
			const body = `{"location":"eastus"}`
			s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
			for _, step := range []struct {
				method, version, body, header, value string
				status                               int
			}{
				{"PUT", compute24, body, "If-Match", `"1"`, 412}, // it does not exist
				{"PUT", compute24, body, "If-Match", `*`, 412},
				{"PUT", compute24, body, "If-None-Match", `"1"`, 400},
				{"PUT", compute24, body, "If-None-Match", `*`, 201},
				{"PUT", compute24, body, "If-None-Match", `*`, 412},
				{"PUT", compute24, body, "If-Match", `"1"`, 200},
				{"PUT", compute24, body, "If-Match", `"1"`, 412},
				{"PATCH", compute24, `{"tags":{"a":"1"}}`, "If-Match", `"1"`, 412},
				{"PATCH", compute24, `{"tags":{"a":"1"}}`, "If-Match", `"7", "2"`, 200},
				{"PATCH", compute24, `{"tags":{"a":"2"}}`, "If-Match", `3`, 200},
				{"PATCH", compute24, `{"tags":{"a":"2"}}`, "If-Match", `*`, 200},
				{"PATCH", "?api-version=2023-07-01", `{"tags":{"a":"3"}}`, "If-Match", `"1"`, 200}, // the version has no etags
				{"PATCH", compute24, `{"tags":{"a":"2"}}`, "If-Match", ``, 200},
			} {
				w := s.send(t, step.method, path+step.version, step.body, [2]string{step.header, step.value})
				if w.Code != step.status || w.Code == 412 && !strings.Contains(w.Body.String(), `"code":"PreconditionFailed"`) {
					t.Fatalf("%+v: %d %s", step, w.Code, w.Body)
				}
			}
			// A write of tags changes the etag too.
			s.want(t, 200, "owner", "PATCH", path+"/providers/Microsoft.Resources/tags/default"+core, `{"operation":"Merge","properties":{"tags":{"t":"1"}}}`)
			w := s.send(t, "PUT", path+compute24, body, [2]string{"If-Match", `"6"`})
			if want := `Etag provided in if-match header \"6\" does not match etag \"8\" of resource.`; w.Code != 412 || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if w := s.send(t, "PUT", "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/j"+compute24, `{}`, [2]string{"If-Match", `"9"`}); w.Code != 201 {
				t.Errorf("a type without etags: %d %s", w.Code, w.Body)
			}
		})
	}
}

// Of several clients that write with the same etag, one succeeds.
func TestOneOfSeveralWritesWithAnETagSucceeds(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", vmPath+compute24, `{"location":"eastus"}`)
	var written, refused atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			switch w := s.send(t, "PUT", vmPath+compute24, `{"location":"eastus"}`, [2]string{"If-Match", `"1"`}); w.Code {
			case 200:
				written.Add(1)
			case 412:
				refused.Add(1)
			default:
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	if all.Wait(); written.Load() != 1 || refused.Load() != 7 {
		t.Errorf("%d were written, %d refused", written.Load(), refused.Load())
	}
}
