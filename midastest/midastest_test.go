package midastest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"midas"
	"midas/midastest"
)

func TestServerIsRealAndReady(t *testing.T) {
	srv := midastest.Start(t)
	group := srv.Endpoint + "/subscriptions/" + srv.SubscriptionID + "/resourceGroups/rg1"
	identity := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	for _, step := range []struct {
		method, url, body string
		want              int
	}{
		{"PUT", group + "?api-version=2021-04-01", `{"location":"eastus"}`, 201},
		{"PUT", identity + "?api-version=2023-01-31", `{"location":"eastus"}`, 201},
		{"GET", identity + "?api-version=2023-01-31", "", 200},
		{"DELETE", identity + "?api-version=2023-01-31", "", 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), step.method, step.url, strings.NewReader(step.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+srv.Token(t, midastest.Management))
		req.Header.Set("Content-Type", "application/json")
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != step.want {
			t.Errorf("%s %s: %s %s", step.method, step.url, resp.Status, body)
		}
	}
}

func TestServersShareNothing(t *testing.T) {
	one, two := midastest.Start(t), midastest.Start(t)
	if one.Endpoint == two.Endpoint || one.TenantID == two.TenantID || one.ClientSecret == two.ClientSecret {
		t.Error("two servers share something")
	}
	if _, err := one.Client().Get(two.Endpoint); err == nil {
		t.Error("the client of one trusts the other")
	}
}

func TestClientTrustsOnlyItsServer(t *testing.T) {
	srv := midastest.Start(t)
	other := httptest.NewTLSServer(http.NotFoundHandler())
	defer other.Close()
	if _, err := srv.Client().Get(other.URL); err == nil {
		t.Error("a foreign server is trusted")
	}
}

func TestOptionsReachTheServer(t *testing.T) {
	srv := midastest.Start(t, midastest.Lab(), midastest.With(func(c *midas.Config) { c.Ops = "127.0.0.1:0" }))
	if srv.TenantID != midas.LabTenantID || srv.ClientSecret != midas.LabClientSecret {
		t.Error("the laboratory's ids are not the known ones")
	}
}

// cleanups is a test that ends when it is told to.
type cleanups struct {
	testing.TB
	ctx context.Context
	all []func()
}

func (c *cleanups) Context() context.Context { return c.ctx }
func (c *cleanups) Cleanup(f func())         { c.all = append(c.all, f) }

func TestNothingRunsAfterTheTest(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancel(t.Context())
	test := &cleanups{TB: t, ctx: ctx}
	srv := midastest.Start(test)
	_ = srv.Token(t, midastest.Management)
	cancel() // as testing does, before the clean-up
	for i := len(test.all) - 1; i >= 0; i-- {
		test.all[i]()
	}
}
