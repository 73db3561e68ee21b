package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// The outside issuer of the measurement and its workload. Nothing is fetched: the keys are in a file.
const (
	outsideIssuer  = "https://issuer.example"
	outsideSubject = "system:serviceaccount:bench:app"
	tokenExchange  = "api://AzureADTokenExchange"
)

// exchanges measures the exchange of an outside token for a managed identity's beside the sum of a warm token by
// secret and of one signature that Go verifies on the same cores.
func (b *bench) exchanges(*target) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	t, err := b.trusting(&key.PublicKey)
	if err != nil {
		return err
	}
	defer t.stop()
	exchange, err := t.exchangeRequest(key)
	if err != nil {
		return err
	}
	secret := t.tokenRequest()
	return b.beside("exchange of an outside token, keys cached, 16 connections", func(int) (float64, error) {
		return t.rate(getConns, getRequests, "200", func(int) []byte { return exchange })
	}, other{"warm token by secret and one bare verification", func(int) (float64, error) {
		token, err := t.rate(getConns, getRequests, "200", func(int) []byte { return secret })
		if err != nil {
			return 0, err
		}
		verification, err := verifierAlone(key)
		return 1 / (1/token + 1/verification), err
	}})
}

// trusting runs a server whose identity app trusts the outside issuer.
func (b *bench) trusting(key *rsa.PublicKey) (*target, error) {
	jwks, config := filepath.Join(b.dir, "jwks.json"), filepath.Join(b.dir, "issuers.yaml")
	set := fmt.Sprintf(`{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"k1","e":"AQAB","n":%q}]}`, base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
	err := errors.Join(os.WriteFile(jwks, []byte(set), 0o600),
		os.WriteFile(config, fmt.Appendf(nil, "issuers: [{issuer: %q, jwks: %q}]\n", outsideIssuer, jwks), 0o600))
	if err != nil {
		return nil, err
	}
	t, err := b.target("exchange", "memory:", "--config", config)
	if err != nil {
		return nil, err
	}
	_, err = t.run(1, 1, "201", func(int) []byte { return t.put("app") })
	return t, err
}

// exchangeRequest adds the federated credential and returns the request that matches it.
func (t *target) exchangeRequest(key *rsa.PrivateKey) ([]byte, error) {
	answer, err := t.run(1, 1, "200", func(int) []byte { return send("GET", t.identity("app"), t.bearer, "", "") })
	if err != nil {
		return nil, err
	}
	var app struct {
		Properties struct {
			ClientID string `json:"clientId"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(answer.last, &app); err != nil {
		return nil, err
	}
	path := t.group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app/federatedIdentityCredentials/bench" + uaiVersion
	body := fmt.Sprintf(`{"properties":{"issuer":%q,"subject":%q,"audiences":[%q]}}`, outsideIssuer, outsideSubject, tokenExchange)
	if _, err := t.run(1, 1, "201", func(int) []byte { return send("PUT", path, t.bearer, "application/json", body) }); err != nil {
		return nil, err
	}
	assertion, err := outsideToken(key)
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app.Properties.ClientID}, "scope": {"https://management.azure.com/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	}
	return send("POST", "/"+t.admin.TenantID+"/oauth2/v2.0/token", "", "application/x-www-form-urlencoded", form.Encode()), nil
}

// outsideToken signs a token of the outside issuer that is valid for a day.
func outsideToken(key *rsa.PrivateKey) (string, error) {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","kid":"k1"}`)) + "." +
		encode(fmt.Appendf(nil, `{"iss":%q,"sub":%q,"aud":[%q],"exp":%d}`, outsideIssuer, outsideSubject, tokenExchange, time.Now().Add(24*time.Hour).Unix()))
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	return text + "." + encode(signature), err
}

// verifierAlone gives how many signatures a second Go verifies on all cores.
func verifierAlone(key *rsa.PrivateKey) (float64, error) {
	digest := sha256.Sum256([]byte("a token"))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		return 0, err
	}
	var wait sync.WaitGroup
	errs := make([]error, runtime.NumCPU())
	begin := time.Now()
	for w := range errs {
		wait.Go(func() {
			for i := 0; errs[w] == nil && i < getRequests/len(errs); i++ {
				errs[w] = rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature)
			}
		})
	}
	wait.Wait()
	return getRequests / time.Since(begin).Seconds(), errors.Join(errs...)
}
