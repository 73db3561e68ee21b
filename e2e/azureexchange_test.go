//go:build e2e

package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TestAzureCLIExchangesTokens runs the commands of docs/federation.md with a token of an issuer whose keys are in a file.
func TestAzureCLIExchangesTokens(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Use: "sig", Algorithm: "RS256"}}})
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const issuer = "https://issuer.example"
	t.Setenv("MIDAS_CONFIG", write("midas.yaml", fmt.Appendf(nil, "issuers: [{issuer: %q, jwks: %q}]\n", issuer, write("jwks.json", set))))
	w := world(t)
	page, err := os.ReadFile("../docs/federation.md")
	if err != nil {
		t.Fatal(err)
	}
	// words are the words of the page's command that begins so.
	words := func(begin string) []string {
		_, rest, found := strings.Cut(string(page), "\n"+begin)
		line, _, _ := strings.Cut(rest, "\n")
		if !found {
			t.Fatalf("the page has no command %s", begin)
		}
		return strings.Fields(strings.TrimPrefix(begin+line, "az "))
	}
	w.signInBySecret(t, w.TenantID)
	w.want(t, "app", "name", "group", "create", "-n", "app", "-l", "eastus")
	client := w.query(t, "clientId", words("az identity create ")...)
	w.want(t, "cluster", "name", words("az identity federated-credential create ")...)
	w.midas(t, "role", "assign", "--assignee", client, "--role", "Reader")

	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(subject string) string {
		payload := fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":["api://AzureADTokenExchange"],"exp":%d}`, issuer, subject, time.Now().Add(time.Hour).Unix())
		signed, err := signer.Sign([]byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	login := strings.Join(words("az login --service-principal "), " ")
	as := func(token string) []string {
		return strings.Fields(strings.NewReplacer(`"$AZURE_TENANT_ID"`, w.TenantID, `"$AZURE_CLIENT_ID"`, client, `"$(cat "$AZURE_FEDERATED_TOKEN_FILE")"`, token).Replace(login))
	}
	if _, errs, err := w.try(t, as(sign("system:serviceaccount:shop:other"))...); err == nil || !strings.Contains(errs, "AADSTS700213") {
		t.Errorf("another subject: %v %s", err, errs)
	}
	w.want(t, w.SubscriptionID, "[0].id", as(sign("system:serviceaccount:shop:web"))...)
	w.want(t, "app", "[0].name", "group", "list")
}
