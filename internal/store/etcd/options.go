//go:build cluster

package etcd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
)

// options are the settings after the question mark of a location.
type options struct {
	ca, cert, key, serverName string // files, and the name that the server's certificate must have
	tls                       bool
	plain                     bool // tls=false
}

func parseOptions(query string) (o options, err error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return o, errors.New("the text after the question mark is not NAME=VALUE&…")
	}
	for name, all := range values {
		field, known := map[string]*string{"ca": &o.ca, "cert": &o.cert, "key": &o.key, "serverName": &o.serverName}[name]
		switch {
		case len(all) != 1 || all[0] == "":
			return o, fmt.Errorf("%s must be there once, with a value", name)
		case known:
			*field = all[0]
		case name == "tls" && (all[0] == "true" || all[0] == "false"):
			o.tls, o.plain = all[0] == "true", all[0] == "false"
		case name == "tls":
			return o, errors.New("tls is neither true nor false")
		default:
			return o, fmt.Errorf("%q is not an option: the options are ca, cert, key, serverName and tls", name)
		}
	}
	named := o.ca != "" || o.cert != "" || o.key != "" || o.serverName != ""
	switch {
	case o.plain && named:
		return o, errors.New("tls=false contradicts ca, cert, key and serverName")
	case (o.cert == "") != (o.key == ""):
		return o, errors.New("cert and key belong together: the files of the client's certificate and of its key")
	}
	o.tls = o.tls || named
	return o, nil
}

// config returns the TLS configuration, or nil if there is none. The client's certificate is read again for
// every connection, so that a renewed one is used without a restart.
func (o options) config() (*tls.Config, error) {
	if !o.tls {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.serverName}
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca: %s has no certificate in the form PEM", o.ca)
		}
	}
	if o.cert == "" {
		return c, nil
	}
	if _, err := tls.LoadX509KeyPair(o.cert, o.key); err != nil {
		return nil, fmt.Errorf("cert %s with key %s: %w", o.cert, o.key, err)
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		return &pair, err
	}
	return c, nil
}
