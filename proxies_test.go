package midas_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"midas"
	"midas/internal/client"
)

// lines is a log that several goroutines write and one reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// forwarded sends a request with what a proxy or a client says about its address.
func forwarded(t *testing.T, c *client.Client, method, url, body string, header http.Header) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := c.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// TestTrustedProxies runs a server whose only peers are proxies, and one that trusts nobody. What they
// say counts for the throttle of passwords, the log and the activity log of the first only.
func TestTrustedProxies(t *testing.T) {
	for name, trusted := range map[string][]string{"trusted": {"127.0.0.0/8"}, "another is trusted": {"192.0.2.0/24"}, "nobody is trusted": nil} {
		t.Run(name, func(t *testing.T) {
			believed := name == "trusted"
			log := &lines{}
			cfg := quiet(t)
			cfg.TrustedProxies, cfg.Logger = trusted, slog.New(slog.NewTextHandler(log, nil))
			s := start(t, cfg)
			c, admin := administrator(t, cfg.Data), s.Admin()
			from := func(address string) http.Header {
				return http.Header{"X-Forwarded-For": {"198.51.100.99, " + address}, "Content-Type": {"application/x-www-form-urlencoded"}}
			}
			guess := func(address string) string {
				form := url.Values{
					"grant_type": {"password"}, "client_id": {"04b07795-8ddb-461a-bbee-02f9e1bf7b46"},
					"username": {admin.UserName}, "password": {"wrong"}, "scope": {"https://management.azure.com/.default"},
				}
				_, body := forwarded(t, c, "POST", admin.Endpoint+"/"+admin.TenantID+"/oauth2/v2.0/token", form.Encode(), from(address))
				return body
			}
			for range 10 {
				if body := guess("203.0.113.1"); !strings.Contains(body, "AADSTS50126") {
					t.Fatal(body)
				}
			}
			if body := guess("203.0.113.1"); !strings.Contains(body, "AADSTS50053") {
				t.Errorf("the eleventh guess: %s", body)
			}
			if body := guess("203.0.113.2"); strings.Contains(body, "AADSTS50126") != believed {
				t.Errorf("from another address: %s", body)
			}
			if strings.Contains(log.String(), "client=203.0.113.2 proxy=127.0.0.1") != believed {
				t.Errorf("the log says %s", log)
			}
			raw, err := c.Token(t.Context(), "https://management.azure.com")
			if err != nil {
				t.Fatal(err)
			}
			header := from("203.0.113.3")
			header.Set("Authorization", "Bearer "+raw)
			header.Set("Content-Type", "application/json")
			subscription := admin.Endpoint + "/subscriptions/" + admin.SubscriptionID
			if code, body := forwarded(t, c, "PUT", subscription+"/resourceGroups/rg?api-version=2021-04-01", `{"location":"westeurope"}`, header); code != 201 {
				t.Fatalf("%d: %s", code, body)
			}
			since := time.Now().UTC().Add(-time.Hour).Format(time.RFC3339)
			events := subscription + "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter=" +
				url.QueryEscape("eventTimestamp ge '"+since+"'")
			if _, body := forwarded(t, c, "GET", events, "", header); strings.Contains(body, `"clientIpAddress":"203.0.113.3"`) != believed {
				t.Errorf("the activity log says %s", body)
			}
		})
	}
}

// TestInvalidTrustedProxiesAreRefused are refused before anything is made.
func TestInvalidTrustedProxiesAreRefused(t *testing.T) {
	for _, bad := range []string{"proxy.example", "0.0.0.0/0", "::/0", "10.0.0.1/8", ""} {
		cfg := quiet(t)
		cfg.TrustedProxies = []string{bad}
		if _, err := midas.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "trustedProxies: \""+bad+`"`) {
			t.Errorf("%q: %v", bad, err)
		}
		if found, err := filepath.Glob(cfg.Data); err != nil || len(found) > 0 {
			t.Errorf("%q: the folder was made: %v, %v", bad, found, err)
		}
	}
}

// TestMetadataRefusesForwardedRequests holds for trusted proxies too.
func TestMetadataRefusesForwardedRequests(t *testing.T) {
	cfg := quiet(t)
	cfg.TrustedProxies = []string{"127.0.0.0/8"}
	cfg.Metadata = []midas.MetadataConfig{{
		Resource: "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm", Listen: "127.0.0.1:0",
	}}
	s := start(t, cfg)
	c := administrator(t, cfg.Data)
	header := http.Header{"Metadata": {"true"}, "X-Forwarded-For": {"203.0.113.1"}}
	path := s.MetadataURLs()[0] + "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/"
	if code, body := forwarded(t, c, "GET", path, "", header); code != http.StatusBadRequest || strings.Contains(body, "access_token") {
		t.Errorf("%d: %s", code, body)
	}
}
