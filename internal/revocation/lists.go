package revocation

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

// restFactor bounds the time that is spent on lists: after making one, the Lists of a tenant rest for this many times
// as long.
const restFactor = 4

// Lists gives the signed lists of all tenants. It is safe for concurrent use and must not be copied. All fields are
// required.
type Lists struct {
	Directory *directory.Directory
	Issuer    *token.Issuer
	Now       func() time.Time

	mu      sync.Mutex
	tenants map[string]*published // by folded id; only of tenants that exist
}

// Signed is a signed list in the forms in which it is sent. It is shared and must not be changed.
type Signed struct {
	Version store.Revision
	Tag     string // the entity tag of Text, in quotes
	Text    []byte // the compact JWT
	Packed  []byte // Text, compressed with gzip

	signed time.Time
	kid    string
}

// published is the newest list of a tenant.
type published struct {
	making  chan struct{} // holds one value while nobody makes the list
	rested  time.Time     // when the next list may be made; whoever has the value of making uses it
	mu      sync.Mutex
	current *Signed
}

// Signed returns the list of an existing tenant. The list has every revocation that was committed before the call.
func (l *Lists) Signed(ctx context.Context, tenant string) (*Signed, error) {
	p := l.of(tenant)
	wanted, err := l.version(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("read the version of the revocations: %w", err)
	}
	if s := l.fresh(p, wanted); s != nil {
		return s, nil
	}
	select {
	case <-p.making:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { p.making <- struct{}{} }()
	if err := rest(ctx, time.Until(p.rested)); err != nil {
		return nil, err
	}
	if s := l.fresh(p, wanted); s != nil { // one list serves all requests that came before it was made
		return s, nil
	}
	began := time.Now()
	s, err := l.make(ctx, tenant)
	took := time.Since(began)
	p.rested = began.Add(took + restFactor*took)
	if err != nil {
		return nil, fmt.Errorf("make the list of revocations: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = s
	return s, nil
}

// of returns the published list of a tenant.
func (l *Lists) of(tenant string) *published {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := arm.Fold(tenant)
	if p := l.tenants[key]; p != nil {
		return p
	}
	if l.tenants == nil {
		l.tenants = map[string]*published{}
	}
	p := &published{making: make(chan struct{}, 1)}
	p.making <- struct{}{}
	l.tenants[key] = p
	return p
}

// version returns the version of the revocations of a tenant.
func (l *Lists) version(ctx context.Context, tenant string) (version store.Revision, err error) {
	err = l.Directory.Store.View(ctx, func(tx store.Tx) (err error) {
		version, err = l.Directory.RevocationsVersion(tx, tenant)
		return err
	})
	return version, err
}

// fresh returns the newest list, or nil if it is older than the wanted version or must be signed again.
func (l *Lists) fresh(p *published, wanted store.Revision) *Signed {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.current
	if s == nil || s.Version < wanted {
		return nil
	}
	if age := l.Now().Sub(s.signed); age < 0 || age >= resignAfter || !l.Issuer.Publishes(s.kid) {
		return nil
	}
	return s
}

// make reads and signs the list of a tenant.
func (l *Lists) make(ctx context.Context, tenant string) (*Signed, error) {
	var all directory.TokenRevocations
	err := l.Directory.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = l.Directory.Revocations(tx, tenant)
		return err
	})
	if err != nil {
		return nil, err
	}
	now := l.Now()
	text, kid, err := l.Issuer.SignDocument(MediaType, newList(l.Issuer.IssuerV2(tenant), all, now))
	if err != nil {
		return nil, err
	}
	s := &Signed{Version: all.Version, Text: []byte(text), signed: now, kid: kid}
	s.Tag = `"` + strconv.FormatUint(uint64(s.Version), 10) + "-" + strconv.FormatInt(now.UnixNano(), 36) + `"`
	s.Packed, err = pack(s.Text)
	return s, err
}

// pack compresses a text with gzip.
func pack(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// rest waits for a time, or until ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
