//go:build cluster

package cluster_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"crypto/x509"
	"encoding/pem"

	"midas/internal/cluster"
	"midas/internal/keypair/keypairtest"
	"midas/internal/localca"
)

// TestJoinAsksForThePinnedAuthority: the main listener shows other clients a certificate of the operator, which has
// nothing to do with the hash in the token.
func TestJoinAsksForThePinnedAuthority(t *testing.T) {
	a, err := localca.OpenAuthorities(t.Context(), localca.AuthoritiesConfig{
		Folder: t.TempDir(), Now: time.Now, AzureNames: []string{"management.azure.com"}, Log: slog.New(slog.DiscardHandler), Storage: localca.InFiles,
	})
	if err != nil {
		t.Fatal(err)
	}
	leaf := keypairtest.New(t, "Company root").Issue(t, nil, "127.0.0.1")
	own, err := tls.X509KeyPair([]byte(leaf.Cert), []byte(leaf.Key))
	if err != nil {
		t.Fatal(err)
	}
	a.Own = func() *tls.Certificate { return &own }
	text, err := os.ReadFile(a.Local.Path())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Repeat("ab", 32)
	var asked string
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = w.Write(text)
			return
		}
		body, _ := io.ReadAll(r.Body)
		asked = string(body)
		http.Error(w, `{"error":{"code":"JoinRefused","message":"no room"}}`, http.StatusConflict)
	}))
	if front.TLS, _, err = a.ServerConfig(); err != nil {
		t.Fatal(err)
	}
	front.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	front.StartTLS()
	defer front.Close()
	m := newMachine(t)
	err = cluster.Join(within(t), m.config, m.at, cluster.Invitation{
		URL: front.URL, Token: cluster.Token("K10" + cluster.Pin(root) + "::" + strings.Repeat("01", 8) + ":" + secret), Program: "test",
		Check: func(cluster.Offer) error { return nil }, Keep: func(cluster.Offer) error { return nil },
	})
	wantError(t, err, "no room")
	if !strings.Contains(asked, secret) {
		t.Errorf("the server was asked %q", asked)
	}
}
