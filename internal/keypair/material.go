package keypair

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"midas/internal/clock"
)

// material is a content that has passed the checks.
type material struct {
	pair     *tls.Certificate // nil without a certificate
	trusted  []byte           // in PEM
	warnings []string
}

func (m *material) leaf() *x509.Certificate { return m.pair.Leaf }

// parse checks a content. The certificate must be for host unless that is empty.
func (c Config) parse(all content, host string) (*material, error) {
	m := &material{}
	authorities, err := certificates(all.ca)
	if err == nil && c.CA != "" && len(authorities) == 0 {
		err = errors.New("it has no certificate in PEM")
	}
	if err != nil {
		return nil, fmt.Errorf("tls.ca: %s: %w", c.CA, err)
	}
	if c.Cert == "" {
		m.trusted = encode(authorities)
		return m, nil
	}
	chain, err := certificates(all.cert)
	switch {
	case err != nil:
		return nil, fmt.Errorf("tls.cert: %s: %w", c.Cert, err)
	case len(chain) == 0 && strings.Contains(all.cert, "PRIVATE KEY-----"):
		return nil, fmt.Errorf("tls.cert: %s has a private key and no certificate: are tls.cert and tls.key exchanged?", c.Cert)
	case len(chain) == 0:
		return nil, fmt.Errorf("tls.cert: %s has no certificate in PEM", c.Cert)
	}
	if m.pair, err = c.join(chain, all.key); err != nil {
		return nil, err
	}
	if err := errors.Join(c.checkTime(chain[0]), c.checkHost(m, host)); err != nil {
		return nil, err
	}
	root, err := c.root(chain, authorities)
	if err != nil {
		return nil, err
	}
	if !root.known {
		m.warnings = append(m.warnings, fmt.Sprintf("tls.cert: the root of %s, %q, is neither in the trust store of this system nor in tls.ca: ca.pem has the last certificate of the chain instead, which some clients do not accept as a root; name the file of the root with tls.ca",
			c.Cert, root.certificate.Issuer))
	}
	m.trusted = encode(append(authorities, root.certificate))
	return m, nil
}

// join makes the pair of a chain and the text of the key.
func (c Config) join(chain []*x509.Certificate, text string) (*tls.Certificate, error) {
	key, err := privateKey(text)
	if err != nil {
		return nil, fmt.Errorf("tls.key: %s %w", c.Key, err)
	}
	pair := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for i, one := range chain {
		pair.Certificate = append(pair.Certificate, one.Raw)
		if i > 0 && belongs(key, one) {
			return nil, fmt.Errorf("tls.cert: the server's own certificate is not the first one in %s: put it before the intermediate ones", c.Cert)
		}
	}
	if !belongs(key, chain[0]) {
		return nil, fmt.Errorf("tls.key: the key in %s does not belong to the certificate in %s: both must come from the same renewal", c.Key, c.Cert)
	}
	if err := usable(key); err != nil {
		return nil, fmt.Errorf("tls.key: %s has a key that TLS cannot use: %w: make a key of RSA with 2048 bits, or of P-256, and get a certificate for it", c.Key, err)
	}
	return pair, nil
}

// leastRSA is the size of the smallest RSA keys that common clients accept, in bits.
const leastRSA = 2048

// usable returns an error for a key with which every handshake would fail: crypto/tls signs with three curves only,
// and crypto/rsa and clients such as OpenSSL refuse small keys.
func usable(key crypto.Signer) error {
	switch public := key.Public().(type) {
	case *ecdsa.PublicKey:
		if size := public.Curve.Params().BitSize; size < 256 {
			return fmt.Errorf("it is of the curve %s", public.Curve.Params().Name)
		}
	case *rsa.PublicKey:
		if size := public.N.BitLen(); size < leastRSA {
			return fmt.Errorf("it is of RSA with %d bits", size)
		}
	}
	return nil
}

func belongs(key crypto.Signer, to *x509.Certificate) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(to.PublicKey)
}

// checkTime checks that a certificate is valid now.
func (c Config) checkTime(leaf *x509.Certificate) error {
	switch now := c.Now(); {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("tls.cert: the certificate in %s expired at %s: renew it", c.Cert, leaf.NotAfter.Format(time.RFC3339))
	case !clock.Begun(leaf.NotBefore, now):
		return fmt.Errorf("tls.cert: the certificate in %s is not valid before %s: wait, or set the clock of this machine", c.Cert, leaf.NotBefore.Format(time.RFC3339))
	}
	return nil
}

// checkHost checks that a certificate is for a host.
func (c Config) checkHost(m *material, host string) error {
	if host == "" || m.pair == nil || m.leaf().VerifyHostname(host) == nil {
		return nil
	}
	has := "has no names (subjectAltName)"
	if all := names(m.leaf()); len(all) > 0 {
		has = "is for " + strings.Join(all, ", ")
	}
	return fmt.Errorf("tls.cert: the certificate in %s %s, and not for %s, the host of origin: set origin to the URL that clients use, or get a certificate for it", c.Cert, has, host)
}

// names are the host names and addresses of a certificate.
func names(leaf *x509.Certificate) []string {
	all := leaf.DNSNames
	for _, ip := range leaf.IPAddresses {
		all = append(all[:len(all):len(all)], ip.String())
	}
	return all
}

// certificates reads the certificates of a text. Other blocks are skipped, because some programs put the key, or
// parameters, into the same file.
func certificates(text string) (all []*x509.Certificate, err error) {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return all, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("its certificate %d is damaged: %w", len(all)+1, err)
		}
		all = append(all, one)
	}
}

// privateKey reads the first private key of a text.
func privateKey(text string) (crypto.Signer, error) {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("has no private key in PEM")
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, errors.New("is encrypted, and the server has no password for it: write the key without one, with \"openssl pkey\", readable by the server's user only")
		}
		if block.Type != "PRIVATE KEY" && !strings.HasSuffix(block.Type, " PRIVATE KEY") {
			continue
		}
		key, err := parseKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("is damaged, or has a key that TLS cannot use: %w", err)
		}
		return key, nil
	}
}

func parseKey(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case *ecdsa.PrivateKey:
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, errors.New("it is neither RSA, ECDSA nor Ed25519")
}

// encode writes certificates in PEM, each once.
func encode(all []*x509.Certificate) []byte {
	var out bytes.Buffer
	done := map[string]bool{}
	for _, one := range all {
		if !done[string(one.Raw)] {
			done[string(one.Raw)] = true
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: one.Raw}) // a Buffer takes everything
		}
	}
	return out.Bytes()
}
