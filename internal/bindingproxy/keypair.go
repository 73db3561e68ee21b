package bindingproxy

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"sync"
	"time"
)

// keyPair is the proxy's certificate and its key. It reads the files again when they change, as they do when
// cert-manager renews a Secret.
type keyPair struct {
	certificate, key string // files
	log              *slog.Logger

	mu      sync.Mutex
	read    [2]version // of the files when they were read last
	current *tls.Certificate
}

// version is by what a changed file is recognized.
type version struct {
	modified time.Time
	size     int64
}

// openKeyPair reads the certificate and the key.
func openKeyPair(certificate, key string, log *slog.Logger) (*keyPair, error) {
	k := &keyPair{certificate: certificate, key: key, log: log}
	read, err := k.versions()
	if err == nil {
		err = k.load(read)
	}
	return k, err
}

// Certificate returns the certificate that the files have now. If they cannot be read, it returns the last one, and
// logs why once for each change. It is a GetCertificate function of tls.Config.
func (k *keyPair) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	read, err := k.versions()
	if err == nil && read == k.read {
		return k.current, nil
	}
	if err == nil {
		err = k.load(read)
	}
	if err != nil && read != k.read {
		k.read = read
		k.log.Warn("the new certificate cannot be used; the earlier one stays in use", slog.Any("cause", err))
	}
	return k.current, nil
}

// valid returns an error if the certificate is not valid at a time.
func (k *keyPair) valid(at time.Time) error {
	c, err := k.Certificate(nil)
	if err != nil {
		return err
	}
	if at.Before(c.Leaf.NotBefore) || at.After(c.Leaf.NotAfter) {
		return fmt.Errorf("the certificate is valid from %s to %s", c.Leaf.NotBefore, c.Leaf.NotAfter)
	}
	return nil
}

// names reports whether a Host header names the proxy: it is in the certificate, or an IP address.
func (k *keyPair) names(host string) bool {
	name := (&url.URL{Host: host}).Hostname()
	if net.ParseIP(name) != nil {
		return true
	}
	c, err := k.Certificate(nil)
	return err == nil && c.Leaf.VerifyHostname(name) == nil
}

func (k *keyPair) load(read [2]version) error {
	c, err := tls.LoadX509KeyPair(k.certificate, k.key)
	if err != nil {
		return fmt.Errorf("read the certificate %s and its key %s: %w", k.certificate, k.key, err)
	}
	k.read, k.current = read, &c
	return nil
}

// versions returns the versions of both files.
func (k *keyPair) versions() (v [2]version, err error) {
	for i, file := range []string{k.certificate, k.key} {
		var info fs.FileInfo
		if info, err = os.Stat(file); err != nil {
			return v, fmt.Errorf("read the certificate: %w", err)
		}
		v[i] = version{info.ModTime(), info.Size()}
	}
	return v, nil
}
