package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/client"
	"midas/internal/datadir"
)

// administrator is the client of a made-up server, whose tokens tell what they are for. What the real one
// does with these requests is tested with the commands in cmd/midas.
func administrator(t *testing.T, handler http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/tenant/oauth2/v2.0/token" {
			handler(w, r)
			return
		}
		fmt.Fprintf(w, `{"access_token":%q}`, "for "+strings.TrimSuffix(r.FormValue("scope"), "/.default"))
	}))
	t.Cleanup(server.Close)
	return &client.Client{
		Admin: datadir.Admin{Endpoint: server.URL, TenantID: "tenant", SubscriptionID: "sub"},
		HTTP:  server.Client(), NewID: func() string { return "id" },
	}
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	var asked []string
	c := administrator(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String()+" "+r.Header.Get("Authorization"))
		if r.URL.RawQuery == "" {
			fmt.Fprintf(w, `{"value":[{"id":"1","displayName":"a"}],"@odata.nextLink":"http://%s/v1.0/users?$skiptoken=x"}`, r.Host)
			return
		}
		_, _ = io.WriteString(w, `{"value":[{"id":"2","displayName":"b"}]}`)
	})
	users, err := c.Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]client.User{{ID: "1", DisplayName: "a"}, {ID: "2", DisplayName: "b"}}, users); diff != "" {
		t.Error(diff)
	}
	want := []string{"/v1.0/users Bearer for https://graph.microsoft.com", "/v1.0/users?$skiptoken=x Bearer for https://graph.microsoft.com"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

// The administrator's token must not follow a link to somebody else.
func TestNextLinkToAnotherServerIsRefused(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another server was asked") }))
	defer other.Close()
	c := administrator(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"value":[],"@odata.nextLink":"%s/v1.0/users"}`, other.URL)
	})
	if _, err := c.Users(t.Context()); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Error(err)
	}
}

func TestErrorsHaveTheServersCodeAndMessage(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		body    string
		want    string
		missing bool
	}{
		"Graph's":   {403, `{"error":{"code":"Authorization_RequestDenied","message":"No."}}`, "Authorization_RequestDenied: No.", false},
		"not found": {404, `{"error":{"code":"Request_ResourceNotFound","message":"It is not there."}}`, "It is not there.", true},
		"no JSON":   {502, "<html>", "the server answered 502 Bad Gateway", false},
	} {
		t.Run(name, func(t *testing.T) {
			a := administrator(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			err := a.DeleteUser(t.Context(), "alice@x")
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, client.ErrNotFound) != c.missing {
				t.Error(err)
			}
		})
	}
}

func TestNamesAreEscapedInRequests(t *testing.T) {
	var asked []string
	c := administrator(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.EscapedPath()+" "+r.URL.Query().Get("$filter"))
		_, _ = io.WriteString(w, `{"value":[]}`)
	})
	_ = c.DeleteUser(t.Context(), "../groups/1@x?y=z")
	_ = c.DeleteGroup(t.Context(), "it's' or 1 eq 1")
	want := []string{
		"DELETE /v1.0/users/..%2Fgroups%2F1@x%3Fy=z ",
		"GET /v1.0/groups displayName eq 'it''s'' or 1 eq 1'",
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

// The members of a cluster refuse tokens for a moment while they elect a leader.
func TestATokenIsAskedForAgainDuringAnElection(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.FormValue("grant_type") != "client_credentials" {
			t.Error("the second request has no form")
		}
		_, _ = io.WriteString(w, `{"access_token":"good"}`)
	}))
	t.Cleanup(server.Close)
	c := client.Client{Admin: datadir.Admin{Endpoint: server.URL, TenantID: "tenant"}, HTTP: server.Client()}
	if token, err := c.Token(t.Context(), "https://vault.azure.net"); err != nil || token != "good" {
		t.Errorf("%q, %v", token, err)
	}
}
