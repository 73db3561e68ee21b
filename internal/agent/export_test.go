package agent

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"
)

// Learnable is learnable.
func Learnable(urls, configured []string) []string { return learnable(urls, configured) }

// KnownServers are what Config.SaveLearnt gets.
type KnownServers = learnt

// Learnt are the servers that the agent in a folder has saved.
func Learnt(t *testing.T, state string) []string {
	t.Helper()
	all, err := readServers(state)
	if err != nil {
		t.Fatal(err)
	}
	return all.Servers
}

// Forget removes the default identity's token for an audience from the cache.
func (a *Agent) Forget(audience string) { a.cache.Drop(key{audience: audience}) }

// Shown is the certificate, in PEM, that a credential shows at some time.
func Shown(t *testing.T, c Credential, at time.Time) string {
	t.Helper()
	l, err := newLink(c, linkOptions{now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.leaf().Raw}))
}

// VerifyLearnt is verifyLearnt.
func VerifyLearnt(roots *x509.CertPool, configured, names []string) func(tls.ConnectionState) error {
	return verifyLearnt(roots, configured, names)
}
