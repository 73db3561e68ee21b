//go:build cluster

package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"midas/internal/atomicfile"
)

// The other files of a member.
const (
	caFile       = "ca.pem"
	caKeyFile    = "ca-key.pem"
	certFile     = "member.pem"
	certKeyFile  = "member-key.pem"
	etcdFolder   = "etcd"
	stateVersion = 1
)

// state is the content of state.json.
type state struct {
	Version int    `json:"version"`
	Name    string `json:"name"`    // of this member
	Peer    string `json:"peerURL"` // under which the other members reach it
	Listen  string `json:"listen"`  // HOST:PORT on which it listens for them
	ID      string `json:"id"`      // of this member, in hexadecimal digits; empty before its first start
	Cluster string `json:"cluster"` // the random id of the cluster
	Origin  string `json:"origin"`  // of the installation, if it has joined one
	Joined  bool   `json:"joined"`  // it was added to an existing cluster
	Members []Peer `json:"members"` // as it has seen them last, itself included
}

// Peer is a member as the others know it.
type Peer struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// folder is the folder of a member.
type folder struct{ dir string }

func folderOf(data string) folder { return folder{filepath.Join(data, Folder)} }

func (f folder) path(name ...string) string {
	return filepath.Join(append([]string{f.dir}, name...)...)
}

// Origin is the origin of the installation that a data folder has joined; empty if it has joined none.
func Origin(data string) (string, error) {
	s, err := folderOf(data).read()
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return s.Origin, err
}

func (f folder) read() (s state, err error) {
	text, err := os.ReadFile(f.path(stateFile))
	if err != nil {
		return s, fmt.Errorf("read the member's state: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil || s.Name == "" || s.Peer == "" || s.Listen == "" {
		return s, fmt.Errorf("%s is damaged: remove this member with `midas cluster remove` on another machine, and join again with a new data folder", f.path(stateFile))
	}
	if s.Version > stateVersion {
		return s, fmt.Errorf("%s was written by a newer Midas: run that version or a later one", f.path(stateFile))
	}
	return s, nil
}

func (f folder) write(s state) error {
	s.Version = stateVersion
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the member's state: %w", err)
	}
	return atomicfile.Write(f.path(stateFile), append(text, '\n'), 0o600)
}

func (f folder) make() error {
	if err := os.Mkdir(f.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the member's folder: %w", err)
	}
	return nil
}

func (f folder) writeAuthority(a *authority) error {
	key, err := keyPEM(a.key)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(f.path(caKeyFile), key, 0o600); err != nil {
		return err
	}
	return atomicfile.Write(f.path(caFile), certificatePEM(a.cert), 0o644)
}

func (f folder) authority() (*authority, error) {
	text, err := os.ReadFile(f.path(caFile))
	if err != nil {
		return nil, fmt.Errorf("read the members' authority: %w", err)
	}
	cert, err := parseCertificate(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(caFile), err)
	}
	if text, err = os.ReadFile(f.path(caKeyFile)); err != nil {
		return nil, fmt.Errorf("read the key of the members' authority: %w", err)
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(caKeyFile), err)
	}
	return &authority{cert, key}, nil
}

// writeMember writes a member's key and its certificate. Both are replaced one after the other only by renew,
// which keeps the key.
func (f folder) writeMember(key crypto.Signer, cert *x509.Certificate) error {
	text, err := keyPEM(key)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(f.path(certKeyFile), text, 0o600); err != nil {
		return err
	}
	return atomicfile.Write(f.path(certFile), certificatePEM(cert), 0o644)
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the member's key: %w", err)
	}
	return key, nil
}

// renew replaces the certificate of this member if it ends soon, is not valid yet or is for another host. etcd
// reads the file again for every connection.
func (f folder) renew(host string, now time.Time) error {
	pair, err := tls.LoadX509KeyPair(f.path(certFile), f.path(certKeyFile))
	if err != nil {
		return fmt.Errorf("read the member's certificate: %w", err)
	}
	leaf := pair.Leaf
	if now.Before(leaf.NotAfter.Add(-memberRenew)) && !now.Before(leaf.NotBefore) && leaf.VerifyHostname(host) == nil {
		return nil
	}
	a, err := f.authority()
	if err != nil {
		return err
	}
	cert, err := a.certify(leaf.PublicKey, host, now)
	if err != nil {
		return err
	}
	return atomicfile.Write(f.path(certFile), certificatePEM(cert), 0o644)
}

// roots has the members' authority.
func (f folder) roots() (*x509.CertPool, error) {
	text, err := os.ReadFile(f.path(caFile))
	if err != nil {
		return nil, fmt.Errorf("read the members' authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate", f.path(caFile))
	}
	return roots, nil
}

// serverTLS is the TLS configuration with which this member serves members. The authority certifies only members, and
// a member may connect from another address than the one that it advertises. The certificate is read for each
// connection, because it is renewed.
func (f folder) serverTLS() (*tls.Config, error) {
	roots, err := f.roots()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(f.path(certFile), f.path(certKeyFile))
			return &pair, err
		},
	}, nil
}

// clientTLS is the TLS configuration with which this member asks members.
func (f folder) clientTLS() (*tls.Config, error) {
	roots, err := f.roots()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(f.path(certFile), f.path(certKeyFile))
			return &pair, err
		},
	}, nil
}

// hostOf is the host of a peer URL.
func hostOf(peerURL string) string {
	u, err := url.Parse(peerURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
