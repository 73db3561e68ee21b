//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// exchangeIssuer is the issuer of outsideTokens.
const exchangeIssuer = "https://issuer.example"

// outsideTokens configures an issuer whose keys are in a file for the next server, and returns the function that signs
// its tokens for a subject.
func outsideTokens(t *testing.T) func(subject string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Use: "sig", Algorithm: "RS256"}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	jwks := written(t, filepath.Join(dir, "jwks.json"), set)
	config := fmt.Appendf(nil, "issuers: [{issuer: %q, jwks: %q}]\n", exchangeIssuer, jwks)
	t.Setenv("MIDAS_CONFIG", written(t, filepath.Join(dir, "midas.yaml"), config))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(subject string) string {
		t.Helper()
		payload := fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":["api://AzureADTokenExchange"],"exp":%d}`, exchangeIssuer, subject, time.Now().Add(time.Hour).Unix())
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
}

// written writes a file and returns its path.
func written(t *testing.T, path string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAzureCLIExchangesTokens runs the commands of docs/federation.md with a token of an issuer whose keys are in a file.
func TestAzureCLIExchangesTokens(t *testing.T) {
	sign := outsideTokens(t)
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

// TestLibrariesExchangeTokens has Azure's libraries for Node and for Python, with their own names of Azure's hosts.
func TestLibrariesExchangeTokens(t *testing.T) {
	need(t, "curl")
	sign := outsideTokens(t)
	w := world(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	const script = `set -e
"$0" token > token
put() { curl -sSf -X PUT -H "Authorization: Bearer $(cat token)" -H 'Content-Type: application/json' -d "$2" "https://management.azure.com/subscriptions/$MIDAS_SUBSCRIPTION_ID/resourceGroups/shop$1"; }
put "?api-version=2021-04-01" '{"location":"eastus"}' >/dev/null
put "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web?api-version=2023-01-31" '{"location":"eastus"}'
put "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web/federatedIdentityCredentials/cluster?api-version=2023-01-31" '{"properties":{"issuer":"` + exchangeIssuer + `","subject":"shop:web","audiences":["api://AzureADTokenExchange"]}}' >/dev/null`
	out, err := w.command(ctx, "sh", "-c", script, midasBinary(t)).CombinedOutput()
	if err != nil {
		t.Fatalf("make the identity: %v\n%s", err, out)
	}
	var made struct {
		Properties struct{ ClientID, PrincipalID string }
	}
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := t.TempDir()
	w.env = append(w.env[:len(w.env):len(w.env)], "AZURE_TENANT_ID="+w.TenantID, "AZURE_CLIENT_ID="+made.Properties.ClientID,
		"AZURE_FEDERATED_TOKEN_FILE="+written(t, filepath.Join(dir, "token"), []byte(sign("shop:web"))),
		"WRONG_TOKEN_FILE="+written(t, filepath.Join(dir, "wrong"), []byte(sign("shop:other"))))
	want := map[string]string{"workload": made.Properties.PrincipalID, "assertion": made.Properties.PrincipalID, "wrong": "AADSTS700213"}
	check := func(t *testing.T, want map[string]string, words ...string) {
		t.Helper()
		cmd := w.command(ctx, words...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		seen := map[string]string{}
		if err := json.Unmarshal(out, &seen); err != nil || !maps.Equal(seen, want) {
			t.Errorf("the program saw %s (%v), want %v", out, err, want)
		}
	}
	t.Run("Node", func(t *testing.T) {
		need(t, "node", "npm")
		check(t, want, "node", nodeProgram(t, "exchange.js"))
	})
	t.Run("Python", func(t *testing.T) {
		const python = "/usr/bin/python3" // the system's, whose libraries they are
		need(t, python)
		program, err := filepath.Abs("testdata/python/exchange.py")
		if err != nil {
			t.Fatal(err)
		}
		delete(want, "workload") // Debian's version does not have the credential
		check(t, want, python, program)
	})
}
