package midas_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"midas"
	"midas/internal/client"
	"midas/internal/datadir"
	"midas/internal/store"
)

// link is the connection of one server to a followedEngine. It can be cut, and its feed can be late.
type link struct {
	store.Shared
	cut  atomic.Bool
	late atomic.Int64 // nanoseconds, of each change
}

var errCut = fmt.Errorf("no answer: %w", store.ErrUnavailable)

func (l *link) Newest(ctx context.Context) (store.Revision, error) {
	if l.cut.Load() {
		return 0, errCut
	}
	return l.Shared.Newest(ctx)
}

func (l *link) Snapshot(ctx context.Context, attempt int) (store.Snapshot, error) {
	if l.cut.Load() {
		return nil, errCut
	}
	return l.Shared.Snapshot(ctx, attempt)
}

func (l *link) Commit(ctx context.Context, c store.Commit) (store.Revision, error) {
	if l.cut.Load() {
		return 0, errCut
	}
	return l.Shared.Commit(ctx, c)
}

func (l *link) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for change, err := range l.Shared.Watch(ctx, prefix, after) {
			select {
			case <-time.After(time.Duration(l.late.Load())):
			case <-ctx.Done():
				return
			}
			if !yield(change, err) {
				return
			}
		}
	}
}

// linked returns the function that opens a store for a server, whose connection is returned too.
func linked(t *testing.T, open func() (store.Engine, error)) (*link, func() (store.Engine, error)) {
	t.Helper()
	engine, err := open()
	if err != nil {
		t.Fatal(err)
	}
	l := &link{Shared: engine.(store.Shared)}
	return l, func() (store.Engine, error) { return l, nil }
}

// TestClientsOfOneReplicaAreKnownAtOnceAtAnother adds secrets at one replica and uses them at once at another, whose
// feed is late and which has the client in its cache.
func TestClientsOfOneReplicaAreKnownAtOnceAtAnother(t *testing.T) {
	open, master := followedStore(t), masterFile(t, "c")
	late, openLate := linked(t, open)
	admins := make([]*client.Client, 2)
	for i, open := range []func() (store.Engine, error){open, openLate} {
		cfg := replica(t, master)
		cfg.Origin = "https://localhost:8443"
		s, err := midas.StartOn(t.Context(), cfg, open)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		admins[i] = administratorAt(t, cfg.Data)
	}
	late.late.Store(int64(100 * time.Millisecond))
	for round := range 3 {
		app, err := admins[0].CreateApp(t.Context(), client.NewApp{DisplayName: "terraform " + strconv.Itoa(round)})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 3 {
			secret, err := admins[0].AddSecret(t.Context(), app.ClientID, "s"+strconv.Itoa(n), time.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			other := *admins[1]
			other.ClientID, other.ClientSecret = app.ClientID, datadir.Secret(secret)
			if _, err := other.Token(t.Context(), "https://management.azure.com"); err != nil {
				t.Errorf("application %d, secret %d: %v", round, n, err)
			}
		}
	}
	other := *admins[1]
	other.ClientSecret = "wrong"
	if _, err := other.Token(t.Context(), "https://management.azure.com"); err == nil || !strings.Contains(err.Error(), "7000215") {
		t.Errorf("a wrong secret: %v", err)
	}
}

// TestOutageOfTheDatabaseIs503InEveryProtocol cuts a server off its database. What it knows may then be outdated, so it
// neither allows nor refuses: every API answers with 503 in its own form, and everything goes on by itself later.
func TestOutageOfTheDatabaseIs503InEveryProtocol(t *testing.T) {
	l, open := linked(t, followedStore(t))
	cfg := replica(t, masterFile(t, "d"))
	cfg.Origin, cfg.Ops = "https://localhost:8443", "127.0.0.1:0"
	s, err := midas.StartOn(t.Context(), cfg, open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c := administratorAt(t, cfg.Data)
	bearers := map[string]string{}
	for _, resource := range []string{"https://management.azure.com", "https://graph.microsoft.com", "https://authorization.azure.net"} {
		raw, err := c.Token(t.Context(), resource)
		if err != nil {
			t.Fatal(err)
		}
		bearers[resource] = raw
	}
	wantFeedMetrics(t, s, func(age float64) bool { return age <= 1 })
	if status, _ := get(t, http.DefaultClient, s.OpsURL()+"/readyz"); status != 200 {
		t.Errorf("readyz before: %d", status)
	}
	l.cut.Store(true)
	soon(t, "the server is not ready", func() bool {
		status, _ := get(t, http.DefaultClient, s.OpsURL()+"/readyz")
		return status == 503
	})
	soon(t, "what is known is outdated", func() bool { return metric(t, s, "midas_store_feed_age_seconds") > 1 })
	for name, q := range outageRequests(c, bearers) {
		t.Run(name, func(t *testing.T) { q.want503(t, c) })
	}
	wantFeedMetrics(t, s, func(age float64) bool { return age > 1 })
	l.cut.Store(false)
	soon(t, "the server is ready again", func() bool {
		status, _ := get(t, http.DefaultClient, s.OpsURL()+"/readyz")
		return status == 200
	})
	if _, err := c.Token(t.Context(), "https://management.azure.com"); err != nil {
		t.Errorf("after the outage: %v", err)
	}
}

// outageRequest is a request, and what a 503 looks like in its protocol.
type outageRequest struct {
	method, path, body, content string
	bearer                      string
	want                        string // a part of the answer
}

func outageRequests(c *client.Client, bearers map[string]string) map[string]outageRequest {
	const form, js = "application/x-www-form-urlencoded", "application/json"
	arm, graph := bearers["https://management.azure.com"], bearers["https://graph.microsoft.com"]
	group := "/subscriptions/" + c.SubscriptionID + "/resourceGroups/rg?api-version=2021-04-01"
	login := "/" + c.TenantID
	secret := url.Values{"client_id": {c.ClientID}, "client_secret": {string(c.ClientSecret)}, "grant_type": {"client_credentials"}, "scope": {"https://management.azure.com/.default"}}
	introspect := url.Values{"client_id": {c.ClientID}, "client_secret": {string(c.ClientSecret)}, "token": {arm}}
	transient := `"error":"temporarily_unavailable"`
	return map[string]outageRequest{
		"arm get":        {"GET", group, "", "", arm, `"code":"ServiceUnavailable"`},
		"arm put":        {"PUT", group, `{"location":"eastus"}`, js, arm, `"code":"ServiceUnavailable"`},
		"graph get":      {"GET", "/v1.0/applications", "", "", graph, `"code":"serviceNotAvailable"`},
		"graph post":     {"POST", "/v1.0/applications", `{"displayName":"a"}`, js, graph, `"code":"serviceNotAvailable"`},
		"token":          {"POST", login + "/oauth2/v2.0/token", secret.Encode(), form, "", transient},
		"wrong secret":   {"POST", login + "/oauth2/v2.0/token", strings.Replace(secret.Encode(), "client_secret=", "client_secret=x", 1), form, "", transient},
		"unknown client": {"POST", login + "/oauth2/v2.0/token", strings.Replace(secret.Encode(), "client_id=", "client_id=x", 1), form, "", transient},
		"unknown tenant": {"POST", "/nowhere.example/oauth2/v2.0/token", secret.Encode(), form, "", transient},
		"introspection":  {"POST", login + "/oauth2/v2.0/introspect", introspect.Encode(), form, "", transient},
		"device code":    {"POST", login + "/oauth2/v2.0/devicecode", "client_id=" + c.ClientID + "&scope=openid", form, "", transient},
		"authorize":      {"GET", login + "/oauth2/v2.0/authorize?client_id=" + c.ClientID + "&response_type=code&redirect_uri=http%3A%2F%2Flocalhost&scope=openid", "", "", "", "AADSTS90033"},
		"key set":        {"GET", login + "/discovery/v2.0/keys", "", "", "", transient},
		"metadata":       {"GET", login + "/v2.0/.well-known/openid-configuration", "", "", "", transient},
		"enrolment":      {"POST", "/hosts/v1/enroll", `{"token":"x","request":"x"}`, js, "", `"code":"ServiceUnavailable"`},
		"decision": {
			"POST", "/providers/Microsoft.Authorization/checkAccess?api-version=2021-06-01-preview",
			`{"Subject":{"Attributes":{"ObjectId":"` + c.ClientID + `"}},"Actions":[{"Id":"Microsoft.Resources/subscriptions/read","IsDataAction":false}],"Resource":{"Id":"/subscriptions/` + c.SubscriptionID + `"}}`,
			js, bearers["https://authorization.azure.net"], `"statusCode":503`,
		},
	}
}

// want503 sends the request.
func (q outageRequest) want503(t *testing.T, c *client.Client) {
	req, err := http.NewRequestWithContext(t.Context(), q.method, c.Endpoint+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	if q.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+q.bearer)
	}
	req.Header.Set("Content-Type", q.content)
	resp, err := c.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(string(body), q.want) {
		t.Errorf("%d, Retry-After %q, %s", resp.StatusCode, resp.Header.Get("Retry-After"), body)
	}
}

// metric is the value of a metric without labels.
func metric(t *testing.T, s *midas.Server, name string) float64 {
	t.Helper()
	_, all := get(t, http.DefaultClient, s.OpsURL()+"/metrics")
	found := regexp.MustCompile(`(?m)^` + name + ` (.*)$`).FindStringSubmatch(all)
	if found == nil {
		t.Fatalf("there is no metric %s", name)
	}
	value, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// wantFeedMetrics compares the metrics of the feed.
func wantFeedMetrics(t *testing.T, s *midas.Server, good func(age float64) bool) {
	t.Helper()
	if age := metric(t, s, "midas_store_feed_age_seconds"); !good(age) {
		t.Errorf("the age is %v", age)
	}
	before := metric(t, s, "midas_store_probes_total")
	soon(t, "the database is asked again", func() bool { return metric(t, s, "midas_store_probes_total") > before })
	if reloads := metric(t, s, "midas_store_feed_reloads_total"); reloads != 0 {
		t.Errorf("%v feeds have failed", reloads)
	}
}
