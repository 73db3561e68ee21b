// Package keypair reads the certificate of a server and its private key from files that others renew, such as an ACME
// client or cert-manager, and reads them again when they change.
//
// New files are used only if they pass the checks of the first ones: the key belongs to the certificate, the
// certificate is valid now and for the server's host, and it comes with its chain. Otherwise the earlier pair stays
// in use and the files are tried again, because some programs write the certificate and the key one after the other.
package keypair

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/clock"
)

// Config names the files, all in PEM. Now and Log are required.
type Config struct {
	Cert string // the server's certificate, followed by the intermediate ones; empty: only CA is read
	Key  string // the private key of the certificate
	CA   string // optional: certificates that clients must trust, besides those that Trusted finds by itself
	Now  func() time.Time
	Log  *slog.Logger
}

// Interval is how often Run looks at the files.
const Interval = 10 * time.Second

// Pair is a certificate with its key. It is safe for concurrent use.
type Pair struct {
	cfg     Config
	current atomic.Pointer[material]
	failing atomic.Bool

	mu      sync.Mutex // held by the one that reads the files
	host    string     // for which the certificate must be; empty until Require
	read    content    // from which current was made
	fault   string     // of the files, as it was logged; empty if they are in use
	changed func(trusted []byte)
	warned  time.Time // when the end of the certificate was logged last
}

// Open reads the files. Its error names the setting, the file and what to do.
func Open(cfg Config) (*Pair, error) {
	p := &Pair{cfg: cfg}
	c, err := cfg.content()
	if err != nil {
		return nil, err
	}
	m, err := cfg.parse(c, "")
	if err != nil {
		return nil, err
	}
	p.read = c
	p.current.Store(m)
	return p, nil
}

// Require checks that the certificate is for a host, and requires it of all later ones.
func (p *Pair) Require(host string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.host = host
	return p.cfg.checkHost(p.current.Load(), host)
}

// OnChange sets the function that gets Trusted after each change of the files. It is called before Run and Reload.
func (p *Pair) OnChange(changed func(trusted []byte)) { p.changed = changed }

// Certificate returns the certificate to use now; nil if Config.Cert is empty.
func (p *Pair) Certificate() *tls.Certificate { return p.current.Load().pair }

// Trusted returns the certificates that clients need to verify the certificate, in PEM: those of Config.CA, and the
// root of the certificate's chain.
func (p *Pair) Trusted() []byte { return p.current.Load().trusted }

// Unused reports whether the files have a content that cannot be used, while an earlier one is in use.
func (p *Pair) Unused() bool { return p.failing.Load() }

// Reload reads the files again. On an error the earlier certificate stays in use.
func (p *Pair) Reload() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := p.cfg.content()
	if err == nil && c == p.read {
		p.note("")
		return nil
	}
	var m *material
	if err == nil {
		m, err = p.cfg.parse(c, p.host)
	}
	if err != nil {
		p.note(err.Error())
		return err
	}
	p.read, p.warned = c, time.Time{}
	p.current.Store(m)
	p.note("")
	if m.pair != nil {
		p.cfg.Log.Info("the server's certificate was read again", "file", p.cfg.Cert, "serial", m.leaf().SerialNumber.Text(16), "names", names(m.leaf()), "expires", m.leaf().NotAfter)
	}
	for _, w := range m.warnings {
		p.cfg.Log.Warn(w)
	}
	if p.changed != nil {
		p.changed(m.trusted)
	}
	return nil
}

// note logs a fault of the files once.
func (p *Pair) note(fault string) {
	if fault != "" && fault != p.fault {
		p.cfg.Log.Warn("the new certificate cannot be used: the earlier one stays in use, and the files are tried again", "cause", fault)
	}
	p.fault = fault
	p.failing.Store(fault != "")
}

// Run reads the files again when they change, and warns before the certificate ends, until ctx ends.
func (p *Pair) Run(ctx context.Context) error {
	look := func(context.Context) {
		_ = p.Reload() // it has logged the error
		p.warn()
	}
	look(ctx)
	clock.Every(ctx, Interval, look)
	return nil
}

// The end of a certificate is logged when less than a fifth of its life is left, and less than warnBefore, once in
// warnEvery.
const (
	warnBefore = 14 * 24 * time.Hour
	warnEvery  = 24 * time.Hour
)

// warn logs that the certificate ends soon, or has ended.
func (p *Pair) warn() {
	m, now := p.current.Load(), p.cfg.Now()
	if m.pair == nil {
		return
	}
	leaf := m.leaf()
	left := leaf.NotAfter.Sub(now)
	p.mu.Lock()
	defer p.mu.Unlock()
	if left >= min(warnBefore, leaf.NotAfter.Sub(leaf.NotBefore)/5) || !p.warned.IsZero() && !clock.Over(p.warned, warnEvery, now) {
		return
	}
	p.warned = now
	if left < 0 {
		p.cfg.Log.Error("the server's certificate has expired: clients refuse it; renew it", "file", p.cfg.Cert, "expired", leaf.NotAfter)
		return
	}
	p.cfg.Log.Warn("the server's certificate ends soon and was not renewed", "file", p.cfg.Cert, "expires", leaf.NotAfter)
}
