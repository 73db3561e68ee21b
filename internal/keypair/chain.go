package keypair

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
)

// anchor is the certificate with which clients begin to verify a chain.
type anchor struct {
	certificate *x509.Certificate
	known       bool // it is a root, or was named as one
}

// root finds the root of a chain: in the operator's file, in the trust store of this system, or in the chain itself.
// Without one, the last certificate of the chain stands for it. It is an error if the chain has none but the
// server's own, because clients could then not know who has issued that.
func (c Config) root(chain, authorities []*x509.Certificate) (anchor, error) {
	options := x509.VerifyOptions{
		Intermediates: x509.NewCertPool(), CurrentTime: c.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if options.CurrentTime.Before(chain[0].NotBefore) { // by less than the skew of clocks
		options.CurrentTime = chain[0].NotBefore
	}
	own := x509.NewCertPool()
	for _, one := range chain {
		options.Intermediates.AddCert(one)
		if selfSigned(one) {
			own.AddCert(one)
		}
	}
	named := x509.NewCertPool()
	for _, one := range authorities {
		named.AddCert(one)
	}
	var failure error
	for _, options.Roots = range []*x509.CertPool{named, own, nil} { // nil is that of the system
		found, err := chain[0].Verify(options)
		if err == nil {
			return anchor{found[0][len(found[0])-1], true}, nil
		}
		failure = err
		var invalid x509.CertificateInvalidError
		if errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage {
			return anchor{}, fmt.Errorf("tls.cert: the certificate in %s is not for servers: its extended key usages lack serverAuth", c.Cert)
		}
	}
	top := last(chain)
	if top == chain[0] {
		return anchor{}, fmt.Errorf("tls.cert: %s lacks the certificate of the issuer, %q: add the intermediate certificates after the server's own, or name the file of its root with tls.ca (%w)", c.Cert, top.Issuer, failure)
	}
	return anchor{certificate: top}, nil
}

// selfSigned reports whether a certificate is its own issuer.
func selfSigned(one *x509.Certificate) bool {
	return bytes.Equal(one.RawIssuer, one.RawSubject) && one.CheckSignature(one.SignatureAlgorithm, one.RawTBSCertificate, one.Signature) == nil
}

// last follows the issuers of the first certificate of a chain to the last one that the chain has.
func last(chain []*x509.Certificate) *x509.Certificate {
	top := chain[0]
	for range chain {
		for _, one := range chain[1:] {
			if one != top && bytes.Equal(top.RawIssuer, one.RawSubject) && top.CheckSignatureFrom(one) == nil {
				top = one
				break
			}
		}
	}
	return top
}
