package management_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/identity"
)

// FuzzRequestsNeverFailInside sends anything as the owner: whatever it is, the answer is never a
// fault of the server.
func FuzzRequestsNeverFailInside(f *testing.F) {
	s := newStack(f)
	s.want(f, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	raw := "Bearer " + s.token(f, "owner")
	uai := "/subscriptions/" + sub + "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	group, _, _ := strings.Cut(uai, "/providers/")
	s.do(f, "owner", "PUT", group+core, `{"location":"eastus"}`)
	s.do(f, "owner", "PUT", uai+someVersion, `{"location":"eastus"}`)
	for _, seed := range [][3]string{
		{"PUT", uai + "?api-version=2026-05-31", `{"location":"eastus","properties":{"isolationScope":"None","assignmentRestrictions":{"providers":["A.B"]}}}`},
		{"PATCH", uai + "?api-version=2015-08-31-preview", `{"tags":{"a":null}}`},
		{"PUT", uai + "/federatedIdentityCredentials/fic?api-version=2025-05-31-preview", `{"properties":{"issuer":"https://i","claimsMatchingExpression":{"value":"v","languageVersion":1},"audiences":["a"]}}`},
		{"GET", "/subscriptions/" + sub + "/resources?api-version=2021-04-01&$filter=resourceType%20eq%20'A/b'&$top=3&$skiptoken=x", ""},
		{"GET", "/subscriptions/" + sub + "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter=eventTimestamp%20ge%20'x'", ""},
		{"PUT", "/subscriptions/" + sub + "/providers/Microsoft.Authorization/roleAssignments/x?api-version=2022-04-01", `{"properties":{"roleDefinitionId":"/","principalId":"x"}}`},
		{"POST", uai + "/listAssociatedResources?api-version=2022-01-31-preview", ""},
		{"GET", "/" + uai + "//?api-version=2023-01-31", ""},
		{"GET", "//%2F//subscriptions///" + sub + "?api-version=2023-01-31", ""},
		{"POST", uai + "/listAssociatedResources?api-version=2022-01-31-preview&$filter=contains(name,'x')%20or%20(id%20eq%20'y')&$orderby=name%20desc&$skip=1&$top=0", ""},
		{"PUT", group + "/providers/Microsoft.Compute/virtualMachines/vm?api-version=2024-07-01", `{"location":"eastus","identity":{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{"` + uai + `":{},"x":null}},"properties":{"vmId":1}}`},
		{"PATCH", group + "/providers/Microsoft.Compute/virtualMachines/vm?api-version=2017-12-01", `{"identity":{"type":"UserAssigned","identityIds":["` + uai + `"]},"sku":{"a":null}}`},
		{"PUT", group + "/providers/Microsoft.Compute/virtualMachineScaleSets/s?api-version=2024-07-01", `{"location":"eastus","sku":{"capacity":2},"properties":{"orchestrationMode":"Uniform"}}`},
		{"PUT", group + "/providers/A.B/cs/c/ds/d/providers/E.F/gs/g?api-version=2024-07-01-x", `{"Kind":"k","kind":"l","properties":null}`},
		{"GET", "/subscriptions/" + sub + "/providers/Microsoft.Compute/locations/l/operations/o?api-version=2024-07-01&t=x", ""},
		{"DELETE", "/subscriptions/" + sub + "/resourceGroups/%zz?api-version=2021-04-01", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		parsed, err := url.ParseRequestURI(target)
		if err != nil || strings.ContainsAny(method, " \x00\r\n") || method == "" || len(body) > 1<<16 {
			return // net/http refuses it before the face
		}
		r := &http.Request{
			Method: method, URL: parsed, RequestURI: target, Proto: "HTTP/1.1", RemoteAddr: "127.0.0.1:1",
			Header: http.Header{"Authorization": {raw}, "Content-Type": {"application/json"}},
			Body:   http.NoBody,
		}
		if body != "" {
			r.Body = httptest.NewRequest("POST", "/", strings.NewReader(body)).Body
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r.WithContext(t.Context()))
		if w.Code >= 500 || w.Code < 200 {
			t.Fatalf("%s %s %q: %d %s", method, target, body, w.Code, w.Body)
		}
		if empty := w.Body.Len() == 0; empty && w.Code == http.StatusOK && method != "HEAD" && w.Header().Get("Content-Length") != "0" || !empty && (!json.Valid(w.Body.Bytes()) || !utf8.Valid(w.Body.Bytes())) {
			t.Fatalf("%s %s %q: %d with the body %q", method, target, body, w.Code, w.Body)
		}
	})
}

// FuzzIdentityBodies reads any body in every version, as PUT and as PATCH; what is taken must come
// out again.
func FuzzIdentityBodies(f *testing.F) {
	f.Add(`{"location":"eastus","tags":{"a":"b"},"properties":{"isolationScope":"None"}}`)
	f.Add(`{"properties":{"assignmentRestrictions":{"providers":null}}}`)
	f.Add(`{"location":null,"tags":null,"properties":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		var body wire.IdentityBody
		if wire.Decode([]byte(text), &body) != nil {
			return
		}
		old := identity.Identity{Location: "eastus", Tags: map[string]string{"k": "v"}}
		for _, gate := range wire.Gates() {
			for _, change := range []identity.Change{body.Replace(gate.Version), body.Merge(gate.Version)} {
				changed, err := change(old)
				if err != nil {
					if _, isARM := err.(*arm.Error); !isARM {
						t.Fatalf("%q: %v", text, err)
					}
					continue
				}
				if out := wire.EncodeIdentity(gate.Version, origin, changed); out.Tags == nil {
					t.Fatalf("%q: tags are missing", text)
				}
			}
		}
	})
}
