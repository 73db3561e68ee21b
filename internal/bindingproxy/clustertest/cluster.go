// Package clustertest is a Kubernetes API server for tests: what a cluster decides about service-account tokens and
// permissions, over HTTPS on a port of 127.0.0.1. It serves the discovery document and the keys of the cluster's
// issuer, TokenReview and SubjectAccessReview. Requests and manifests are decoded strictly with the types of
// Kubernetes. Permissions are evaluated as RBAC does, from the roles and bindings that were applied, also those of the
// caller of a review.
//
// It has no storage, no admission, no namespaced roles in reviews without a namespace, and no aggregated roles.
package clustertest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// APIAudience is the audience of tokens for the API server itself.
const APIAudience = "https://kubernetes.default.svc.cluster.local"

// Cluster is a running API server.
type Cluster struct {
	URL    string // of the API server, which is also the issuer
	CAFile string // of the API server's certificate authority

	t      testing.TB
	key    *rsa.PrivateKey
	server *httptest.Server

	mu       sync.Mutex
	accounts map[string]string // UIDs of service accounts, by NAMESPACE/NAME
	pods     map[string]string // UIDs of pods, by NAMESPACE/NAME
	roles    map[string]rbacv1.ClusterRole
	bindings []rbacv1.ClusterRoleBinding
	reviews  map[string]int // requests by resource
	away     func(w http.ResponseWriter, r *http.Request)
}

// Start runs a cluster until the test ends.
func Start(t testing.TB) *Cluster {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{t: t, key: key, accounts: map[string]string{}, pods: map[string]string{}, roles: map[string]rbacv1.ClusterRole{}, reviews: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", c.discovery)
	mux.HandleFunc("GET /openid/v1/jwks", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(c.JWKS()) })
	mux.HandleFunc("POST /apis/authentication.k8s.io/v1/tokenreviews", c.tokenReview)
	mux.HandleFunc("POST /apis/authorization.k8s.io/v1/subjectaccessreviews", c.accessReview)
	c.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		away := c.away
		c.mu.Unlock()
		if away != nil {
			away(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	c.server.EnableHTTP2, c.server.Config.ErrorLog = true, log.New(io.Discard, "", 0)
	c.server.StartTLS()
	t.Cleanup(c.server.Close)
	c.URL, c.CAFile = c.server.URL, filepath.Join(t.TempDir(), "ca.crt")
	c.write(c.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.server.Certificate().Raw}))
	return c
}

// Away makes the API server answer everything with a handler; nil makes it work again.
func (c *Cluster) Away(handler func(w http.ResponseWriter, r *http.Request)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = handler
}

// Reviews is how many reviews of a resource were requested, such as "tokenreviews".
func (c *Cluster) Reviews(resource string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reviews[resource]
}

// DeletePod deletes a pod. Tokens that are bound to it are not accepted any more.
func (c *Cluster) DeletePod(namespace, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pods, namespace+"/"+name)
}

// RemoveBindings removes all ClusterRoleBindings with a name.
func (c *Cluster) RemoveBindings(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.bindings[:0]
	for _, b := range c.bindings {
		if b.Name != name {
			kept = append(kept, b)
		}
	}
	c.bindings = kept
}

// JWKS is what "kubectl get --raw /openid/v1/jwks" prints.
func (c *Cluster) JWKS() []byte {
	encode := base64.RawURLEncoding.EncodeToString
	set, _ := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"use": "sig", "kty": "RSA", "kid": keyID, "alg": "RS256",
		"n": encode(c.key.N.Bytes()), "e": encode(big.NewInt(int64(c.key.E)).Bytes()),
	}}})
	return set
}

// discovery serves the members that an API server has. There is no authorization_endpoint among them.
func (c *Cluster) discovery(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]any{
		"issuer": c.URL, "jwks_uri": c.URL + "/openid/v1/jwks", "response_types_supported": []string{"id_token"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (c *Cluster) write(path string, data []byte) {
	c.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// addAccount makes a service account if it does not exist, and returns its UID.
func (c *Cluster) addAccount(namespace, name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := namespace + "/" + name
	if c.accounts[key] == "" {
		c.accounts[key] = uid()
	}
	return c.accounts[key]
}

func (c *Cluster) addPod(pod *corev1.Pod) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pods[pod.Namespace+"/"+pod.Name] = uid()
}

// uid is a random version 4 UUID, as the API server gives to objects.
func uid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // cannot fail
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	const hex = "0123456789abcdef"
	var text []byte
	for i, v := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text = append(text, '-')
		}
		text = append(text, hex[v>>4], hex[v&15])
	}
	return string(text)
}
