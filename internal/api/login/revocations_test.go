package login_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"midas/internal/store"
)

const revocationsPath = "/" + tenant + "/discovery/v2.0/revocations"

// fetch gets the list with headers, given as name and value.
func (f *fixture) fetch(method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return f.do(r)
}

func TestListOfRevocationsIsPublicAndCacheable(t *testing.T) {
	f := newFixture(t)
	if got := decode(t, f.get("/"+tenant+"/v2.0/.well-known/openid-configuration"))["midas_revocations_uri"]; got != origin+revocationsPath {
		t.Errorf("discovery names %v", got)
	}
	for _, name := range []string{"common", "organizations"} {
		if got := decode(t, f.get("/"+name+"/v2.0/.well-known/openid-configuration"))["midas_revocations_uri"]; got != nil {
			t.Errorf("discovery of %s names %v", name, got)
		}
	}
	first := f.fetch("GET", revocationsPath, "Origin", "https://page.example")
	head := first.Header()
	if first.Code != 200 || head.Get("Content-Type") != "application/midas-revocations+jwt" || head.Get("Access-Control-Allow-Origin") != "*" ||
		head.Get("Cache-Control") != "public, max-age=30" || head.Get("Vary") != "Accept-Encoding" || strings.Count(first.Body.String(), ".") != 2 {
		t.Fatalf("%d %v", first.Code, head)
	}
	tag := head.Get("ETag")
	for _, match := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if w := f.fetch("GET", revocationsPath, "If-None-Match", match); w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %d %v", match, w.Code, w.Header())
		}
	}
	if w := f.fetch("HEAD", "/"+domain+"/discovery/v2.0/revocations"); w.Code != 200 || w.Header().Get("ETag") != tag {
		t.Errorf("by the domain: %d %v", w.Code, w.Header())
	}
	packed := f.fetch("GET", revocationsPath, "Accept-Encoding", "br, gzip;q=0.5")
	r, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != first.Body.String() || packed.Header().Get("Content-Encoding") != "gzip" || packed.Header().Get("ETag") == tag {
		t.Errorf("compressed: %v, %v", packed.Header(), err)
	}
	if w := f.fetch("GET", revocationsPath, "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error("compressed for a client that refuses it")
	}
	_, err = f.store.Update(t.Context(), func(tx store.Tx) error { return f.Directory.RevokeTokens(tx, tenant, object) })
	if err != nil {
		t.Fatal(err)
	}
	changed := f.fetch("GET", revocationsPath, "If-None-Match", tag)
	if changed.Code != 200 || changed.Header().Get("ETag") == tag {
		t.Errorf("after a revocation: %d", changed.Code)
	}
	list := payload(t, changed.Body.String())
	want := float64(start.Truncate(time.Second).Unix() + 1)
	if entry := list["revoked"].([]any)[0].(map[string]any); entry["oid"] != object || entry["before"] != want || list["iss"] != origin+"/"+tenant+"/v2.0" {
		t.Errorf("the list is %v", list)
	}
}

func TestListOfRevocationsOfNoTenant(t *testing.T) {
	f := newFixture(t)
	for path, status := range map[string]int{
		"/" + other + "/discovery/v2.0/revocations": 400, "/common/discovery/v2.0/revocations": 400, "/adfs/discovery/v2.0/revocations": 404,
	} {
		if w := f.get(path); w.Code != status {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := f.post(revocationsPath, ""); w.Code < 400 {
		t.Errorf("POST: %d", w.Code)
	}
}
