package midas

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/keypair"
	"midas/internal/localca"
)

// TLSConfig is the operator's own certificate for the HTTPS listener. The files are PEM. They are read again when they
// change and on SIGHUP, while connections go on. Files that cannot be used then, such as a certificate whose key is
// not written yet, leave the earlier ones in use.
//
// The server's own authority stays: it certifies the names that the certificate does not have, such as localhost, and
// agents and joining members of a cluster use it.
type TLSConfig struct {
	// Cert is the server's certificate, for the host of Config.Origin, followed by the intermediate certificates.
	Cert string `yaml:"cert"`

	// Key is the private key of the certificate, without a password. Only the user of the server should be able to
	// read it.
	Key string `yaml:"key"`

	// CA are certificate authorities that clients must trust: that of Cert, if this system does not trust it, or that
	// of a reverse proxy in front of the server. They are added to ca.pem. Default: the root of Cert
	CA string `yaml:"ca"`
}

// check returns an error if one of two settings that belong together is missing.
func (c TLSConfig) check() error {
	if (c.Cert == "") != (c.Key == "") {
		return errors.New("tls: cert and key belong together: set both or none")
	}
	return nil
}

// openPair reads the files of Config.TLS. It comes first, so that nothing is written if one of them is wrong.
func (s *Server) openPair() (err error) {
	c := s.cfg.TLS
	if c == (TLSConfig{}) {
		return nil
	}
	if s.pair, err = keypair.Open(keypair.Config{Cert: c.Cert, Key: c.Key, CA: c.CA, Now: s.clock.Func(), Log: s.log}); err != nil {
		return err
	}
	if s.cfg.Origin != "" {
		return s.requireHost(s.cfg.Origin)
	}
	return nil
}

// requireHost checks that the certificate is for the host of an origin.
func (s *Server) requireHost(origin string) error {
	if s.pair == nil {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	return s.pair.Require(u.Hostname())
}

// trusted is what ca.pem has besides the certificate of the server's own authority.
func (s *Server) trusted() []byte {
	if s.pair == nil {
		return nil
	}
	return s.pair.Trusted()
}

// followPair makes the authorities use the files of Config.TLS, as they are now and after each change.
func (s *Server) followPair(by *localca.Authorities) {
	if s.pair == nil {
		return
	}
	s.warnings = append(s.warnings, s.pair.Warnings()...)
	local := by.Local
	s.pair.OnChange(func(trusted []byte) {
		if err := local.Trust(trusted); err != nil {
			s.log.Error("ca.pem could not be written, trying again every minute", "cause", err)
		}
	})
	if s.pair.Certificate() != nil {
		by.Own = s.pair.Certificate
	}
}

// Reload reads the files of Config.TLS again, as the server does by itself within ten seconds after a change. If
// they cannot be used, the earlier ones stay in use, and the error, which is logged too, says why.
func (s *Server) Reload() error {
	if s.pair == nil {
		s.log.Info("there is no certificate of Config.TLS to read again; other settings need a restart")
		return nil
	}
	return s.pair.Reload()
}

// registerCertificates registers metrics about the ends of certificates.
func (s *Server) registerCertificates(by localca.Authorities) error {
	ends := map[string]func() time.Time{"local_ca": by.Local.NotAfter, "hosts_ca": by.Hosts.CA().NotAfter}
	if by.Own != nil {
		ends["server"] = func() time.Time { return by.Own().Leaf.NotAfter }
	}
	var all []prometheus.Collector
	for name, end := range ends {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "midas_certificate_expiry_timestamp_seconds",
			Help:        "When a certificate ends: that of Config.TLS (server), or that of one of the server's authorities, which it renews by itself.",
			ConstLabels: prometheus.Labels{"certificate": name},
		}, func() float64 { return float64(end().Unix()) }))
	}
	if s.pair != nil {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "midas_certificate_reload_failed",
			Help: "1 while the files of Config.TLS have a content that cannot be used and an earlier one is in use, else 0.",
		}, func() float64 {
			if s.pair.Unused() {
				return 1
			}
			return 0
		}))
	}
	for _, c := range all {
		if err := s.registry.Register(c); err != nil {
			return fmt.Errorf("register metrics of certificates: %w", err)
		}
	}
	return nil
}

// hostOf is the host of an address to listen on; empty if it stands for all addresses.
func hostOf(listen string) string {
	host, _, _ := net.SplitHostPort(listen) // check has returned its error
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return ""
	}
	return host
}
