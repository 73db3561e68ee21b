package graph_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"midas/internal/api/graph"
)

// FuzzRequestsNeverReturnServerErrors sends arbitrary requests as the administrator: none is answered with a 5xx.
func FuzzRequestsNeverReturnServerErrors(f *testing.F) {
	s := populated(f)
	raw := "Bearer " + s.token(f, "ga")
	for _, seed := range [][3]string{
		{"GET", "users?$filter=startswith(displayName,'x')%20and%20accountEnabled%20eq%20true&$select=id&$top=3&$orderby=displayName&$count=true", ""},
		{"GET", "users?$search=%22displayName:x%22%20OR%20%22mail:y%22", ""},
		{"GET", "servicePrincipals?$filter=servicePrincipalNames/any(c:c%20eq%20'x')&$skiptoken=x", ""},
		{"GET", "servicePrincipals(appId='{a.appid}')/appRoleAssignments", ""},
		{"GET", "users('u@midas.test')/memberOf/microsoft.graph.group", ""},
		{"POST", "users", `{"accountEnabled":true,"displayName":"x","mailNickname":"x","userPrincipalName":"x@midas.test","passwordProfile":{"password":"x"},"businessPhones":["1"]}`},
		{"PATCH", "applications/{a}", `{"web":{"redirectUris":["https://x"],"implicitGrantSettings":null},"api":{"requestedAccessTokenVersion":2},"keyCredentials":[{"type":"AsymmetricX509Cert","usage":"Verify","key":"AAAA"}],"appRoles":[{"id":"1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9","allowedMemberTypes":["User"],"value":"v"}],"identifierUris":["api://x"],"tags":["a"],"info":{"logoUrl":"x"}}`},
		{"PATCH", "groups/{g}", `{"members@odata.bind":["https://graph.microsoft.com/v1.0/directoryObjects/{u}"],"theme":"x"}`},
		{"POST", "groups/{g}/members/$ref", ref("u")},
		{"DELETE", "groups/{g}/members/{u}/$ref", ""},
		{"POST", "applications/{a}/addPassword", `{"passwordCredential":{"displayName":"x","endDateTime":"2099-01-01T00:00:00Z"}}`},
		{"POST", "servicePrincipals/{p}/appRoleAssignments", `{"principalId":"{p}","resourceId":"{graph}","appRoleId":"1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"}`},
		{"POST", "directoryObjects/getByIds", `{"ids":["{u}"],"types":["user"]}`},
		{"POST", "users/{u}/checkMemberGroups", `{"groupIds":["{g}"]}`},
		{"POST", "roleManagement/directory/roleAssignments", `{"principalId":"{u}","roleDefinitionId":"x"}`},
		{"GET", "roleManagement/directory/roleAssignments/AAAA-1", ""},
		{"GET", "applications/%2e%2e/%00", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		target, body = "/v1.0/"+s.fill(target), s.fill(body) // ids are new in every run
		parsed, err := url.ParseRequestURI(target)
		if err != nil || strings.ContainsAny(method, " \x00\r\n") || method == "" || len(body) > 1<<16 {
			return // net/http refuses it before the handler
		}
		r := &http.Request{
			Method: method, URL: parsed, RequestURI: target, Proto: "HTTP/1.1", RemoteAddr: "127.0.0.1:1",
			Header: http.Header{"Authorization": {raw}, "Content-Type": {"application/json"}, "Consistencylevel": {"eventual"}},
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
		if w.Body.Len() > 0 && strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && (!json.Valid(w.Body.Bytes()) || !utf8.Valid(w.Body.Bytes())) {
			t.Fatalf("%s %s %q: %d with the body %q", method, target, body, w.Code, w.Body)
		}
	})
}

// FuzzFilters parses arbitrary filters and evaluates the valid ones.
func FuzzFilters(f *testing.F) {
	for _, seed := range []string{
		"displayName eq 'x'", "startswith(a,'b') or not (c eq null and d in ('e','f'))", "x/any(y:y eq 'z')",
		"createdDateTime ge 2026-01-01T00:00:00Z", "a eq 'it''s'", "not not a eq b", "((((", "a in (",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		holds, err := graph.ParseFilter(s)
		_ = graph.ParseSearch(s)
		_, _ = graph.ParsePath("/v1.0/" + s)
		if holds == nil {
			if err == nil {
				t.Fatal("neither a filter nor an error")
			}
			return
		}
		for _, v := range []any{nil, "x", true, false, []string{"x", ""}, []string(nil), 1} {
			holds(func(string) any { return v })
		}
	})
}
