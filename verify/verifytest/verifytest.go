// Package verifytest has an issuer in memory for the tests of services that use package verify. It opens no port.
//
//	issuer := verifytest.New(t)
//	v, err := verify.New(t.Context(), issuer.URL, "api://orders", verify.WithHTTPClient(issuer.Client()))
//	...
//	request.Header.Set("Authorization", "Bearer "+issuer.Token(t, "api://orders", map[string]any{"roles": []string{"Orders.Read"}}))
package verifytest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// The identity of tokens that do not name another one.
const (
	Tenant   = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	ObjectID = "0f8fad5b-d9cb-469f-a165-70867728950e"
	ClientID = "5b1a9e9c-6e0b-4f8b-8c67-3b4f0f2a5d11"
)

const origin = "https://issuer.test"

// Issuer issues tokens and publishes the documents that verify.New reads. It is safe for concurrent use.
type Issuer struct {
	URL string // the issuer of version 2.0
	V1  string // the issuer of version 1.0

	mu      sync.Mutex
	keys    []*key // the last one signs
	made    int
	version int
	revoked map[string]int64
}

type key struct {
	id      string
	private *rsa.PrivateKey
}

// New makes an issuer with one key and an empty list of revocations.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{URL: origin + "/" + Tenant + "/v2.0", V1: origin + "/" + Tenant + "/", version: 1, revoked: map[string]int64{}}
	i.AddKey(t)
	return i
}

// AddKey publishes one more key, which signs from now on, and returns its id.
func (i *Issuer) AddKey(t testing.TB) string {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made++
	k := &key{id: fmt.Sprintf("key-%d", i.made), private: private}
	i.keys = append(i.keys, k)
	return k.id
}

// RemoveKey withdraws a key.
func (i *Issuer) RemoveKey(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	kept := make([]*key, 0, len(i.keys))
	for _, k := range i.keys {
		if k.id != id {
			kept = append(kept, k)
		}
	}
	i.keys = kept
}

// Revoke puts an entry into the list of revocations: tokens of the object that were issued before the time are
// revoked.
func (i *Issuer) Revoke(objectID string, before time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.version++
	i.revoked[objectID] = before.Unix()
}

// Token signs an access token of version 2.0 of an application, which is valid for an hour. The claims replace those
// that it would have; a claim that is nil is left out.
func (i *Issuer) Token(t testing.TB, audience string, claims map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	all := map[string]any{
		"aud": audience, "iss": i.URL, "iat": now - 300, "nbf": now - 300, "exp": now + 3600, "midas_iat": now, "azp": ClientID,
		"azpacr": "2", "idtyp": "app", "oid": ObjectID, "sub": ObjectID, "tid": Tenant, "uti": "token-1", "ver": "2.0",
	}
	for name, value := range claims {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	payload, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return i.Sign(t, nil, payload)
}

// Sign signs any payload with the newest key. Members of the header replace those of an access token.
func (i *Issuer) Sign(t testing.TB, header map[string]any, payload []byte) string {
	t.Helper()
	raw, err := i.sign(header, payload)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (i *Issuer) sign(header map[string]any, payload []byte) (string, error) {
	i.mu.Lock()
	k := i.keys[len(i.keys)-1]
	i.mu.Unlock()
	all := map[string]any{"alg": "RS256", "typ": "JWT", "kid": k.id}
	for name, value := range header {
		all[name] = value
	}
	head, err := json.Marshal(all)
	if err != nil {
		return "", err
	}
	signed := encode(head) + "." + encode(payload)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, sum[:])
	return signed + "." + encode(signature), err
}

// Client sends its requests to the issuer, whatever host they name.
func (i *Issuer) Client() *http.Client { return &http.Client{Transport: transport{i}} }

type transport struct{ handler http.Handler }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// ServeHTTP answers requests for the discovery documents, the keys and the list of revocations.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	document := map[string]any{"jwks_uri": origin + "/" + Tenant + "/keys", "midas_revocations_uri": origin + "/" + Tenant + "/revocations"}
	switch r.URL.Path {
	case "/" + Tenant + "/v2.0/.well-known/openid-configuration":
		document["issuer"] = i.URL
	case "/" + Tenant + "/.well-known/openid-configuration":
		document["issuer"] = i.V1
	case "/" + Tenant + "/keys":
		document = map[string]any{"keys": i.publicKeys()}
	case "/" + Tenant + "/revocations":
		i.serveList(w, r)
		return
	default:
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(document) // strings only
}

func (i *Issuer) publicKeys() []map[string]string {
	i.mu.Lock()
	defer i.mu.Unlock()
	all := make([]map[string]string, len(i.keys))
	for n, k := range i.keys {
		all[n] = map[string]string{
			"kty": "RSA", "use": "sig", "kid": k.id, "n": encode(k.private.N.Bytes()), "e": encode(big.NewInt(int64(k.private.E)).Bytes()),
		}
	}
	return all
}

// serveList answers with the list, or with 304 if the client has it.
func (i *Issuer) serveList(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	type entry struct {
		ObjectID string `json:"oid"`
		Before   int64  `json:"before"`
	}
	now, version, entries := time.Now().Unix(), i.version, []entry{}
	for id, before := range i.revoked {
		entries = append(entries, entry{id, before})
	}
	i.mu.Unlock()
	tag := fmt.Sprintf(`"%d-%d"`, version, now/300)
	if w.Header().Set("ETag", tag); r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	payload, err := json.Marshal(map[string]any{"iss": i.URL, "iat": now, "exp": now + 600, "version": version, "refresh": 30, "revoked": entries})
	if err == nil {
		var raw string
		if raw, err = i.sign(map[string]any{"typ": "midas-revocations+jwt"}, payload); err == nil {
			_, err = w.Write([]byte(raw))
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
