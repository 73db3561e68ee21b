//go:build cluster

package cluster_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/cluster"
)

// TestStrangersGuessFewTokens sends tokens that look right to both operations. A stranger's address is soon refused
// without a read of the cluster, a machine at another address is not, and a right token is never counted.
func TestStrangersGuessFewTokens(t *testing.T) {
	one := begin(t)
	handler := &cluster.Handler{
		Member: one.member, Pinned: func() (*x509.Certificate, error) { return one.front.Certificate(), nil },
		HandOver: func(context.Context) (cluster.Offer, error) { return cluster.Offer{Origin: "https://midas.test"}, nil },
	}
	send := func(operation, from string, in cluster.JoinRequest) *httptest.ResponseRecorder {
		body, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(within(t), http.MethodPost, "/cluster/v1/"+operation, bytes.NewReader(body))
		handler.Serve(w, r, &httpx.Event{ClientIP: from})
		return w
	}
	guess := cluster.JoinRequest{Protocol: cluster.Protocol, ID: strings.Repeat("0", 16), Secret: strings.Repeat("0", 64)}
	for _, operation := range []string{"offer", "join"} {
		from := map[string]string{"offer": "192.0.2.1", "join": "192.0.2.2"}[operation]
		codes := map[int]int{}
		var refused *httptest.ResponseRecorder
		for range 100 {
			w := send(operation, from, guess)
			if codes[w.Code]++; w.Code == http.StatusTooManyRequests {
				refused = w
			}
		}
		if codes[http.StatusForbidden] < 5 || codes[http.StatusForbidden] > 20 || codes[http.StatusTooManyRequests] < 80 {
			t.Errorf("%s: 100 guesses got %v", operation, codes)
		}
		if refused == nil || refused.Header().Get("Retry-After") == "" || !strings.Contains(refused.Body.String(), `"TooManyRequests"`) {
			t.Errorf("%s: a refusal is %v", operation, refused)
		}
	}
	_, rest, _ := strings.Cut(tokenText(one.token(t, time.Hour)), "::")
	guess.ID, guess.Secret, _ = strings.Cut(rest, ":")
	var waits sync.WaitGroup
	for range 60 {
		waits.Go(func() { // the version is refused after the token
			if w := send("offer", "198.51.100.7", guess); w.Code != http.StatusConflict && w.Code != http.StatusTooManyRequests {
				t.Errorf("a right token got %d %s", w.Code, w.Body)
			}
		})
	}
	waits.Wait()
	if w := send("offer", "198.51.100.7", guess); w.Code != http.StatusConflict {
		t.Errorf("after many right tokens: %d %s", w.Code, w.Body)
	}
}

// tokenText is the text of a token, which hides itself.
func tokenText(token cluster.Token) string { return string(token) }
