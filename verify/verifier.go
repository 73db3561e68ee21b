package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Verifier checks the access tokens of one tenant for one service. It is safe for concurrent use. Close ends it.
type Verifier struct {
	*state

	requirements []Requirement
}

// state is what a Verifier shares with those that With makes of it.
type state struct {
	settings *settings
	tenant   *tenantOf
	fetcher  *fetcher
	keys     *keys
	list     *revocations // nil: WithoutRevocations
	accepted cache
	buffers  sync.Pool // of *[maxToken]byte, for digests
	realm    string

	closed atomic.Pointer[time.Time]
	stop   context.CancelFunc
}

// New makes a Verifier for the tokens of an issuer, https://HOST/TENANT/v2.0 or https://HOST/TENANT/, that are for an
// audience: the client id or an identifier URI of the service, exactly as in the claim aud. Tokens of both versions
// are accepted whichever form of the issuer is given, because the registration of the audience determines the version.
//
// New fetches the discovery documents, the keys and the list of revocations; the context is for these requests only.
// It fails if one of them cannot be had.
func New(ctx context.Context, issuer, audience string, options ...Option) (*Verifier, error) {
	v, err := open(ctx, issuer, audience, options)
	if err != nil {
		return nil, fmt.Errorf("verify tokens of %s: %w", quote(issuer), err)
	}
	return v, nil
}

func open(ctx context.Context, text, audience string, options []Option) (*Verifier, error) {
	given, err := parseIssuer(text)
	if err != nil {
		return nil, fmt.Errorf("the issuer: %w", err)
	}
	set, err := newSettings(audience, options)
	if err != nil {
		return nil, err
	}
	s := &state{settings: set, fetcher: newFetcher(set.client, set.roots), realm: text}
	s.buffers.New = func() any { return new([maxToken]byte) }
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	v := &Verifier{state: s, requirements: set.requirements}
	if s.tenant, err = discover(ctx, s.fetcher, given); err == nil {
		err = s.start(ctx, background)
	}
	if err != nil {
		_ = v.Close()
		return nil, err
	}
	return v, nil
}

// start fetches the keys and the list and begins to refresh them.
func (s *state) start(ctx, background context.Context) error {
	k := &keys{url: s.tenant.keys, fetcher: s.fetcher, now: time.Now, maxAge: s.settings.keysMaxAge, waiting: make(chan struct{}, maxWaiting)}
	k.refresh = newRefresher("keys", s.settings.log, k.fetch)
	next, err := k.refresh.once(ctx)
	if err != nil {
		return err
	}
	s.keys = k
	go k.refresh.run(background, next)
	if s.settings.noList {
		return nil
	}
	if s.tenant.list == "" || s.tenant.issuers[v2] == "" {
		return errors.New("the issuer publishes no list of revocations (midas_revocations_uri); use WithoutRevocations to accept revoked tokens until they expire")
	}
	l := &revocations{
		url: s.tenant.list, issuer: s.tenant.issuers[v2], fetcher: s.fetcher, keys: k, now: time.Now,
		maxAge: s.settings.listMaxAge, skew: s.settings.skew,
	}
	l.refresh = newRefresher("revocations", s.settings.log, l.fetch)
	if next, err = l.refresh.once(ctx); err != nil {
		return err
	}
	s.list = l
	go l.refresh.run(background, next)
	return nil
}

// Close ends the refresh in the background and waits for its end. Verify then fails with ErrUnavailable, because it
// would no longer learn of revocations. Close ends all Verifiers that With has made, too; calling it again has no
// effect. The error is always nil.
func (v *Verifier) Close() error {
	now := time.Now()
	s := v.state
	if !s.closed.CompareAndSwap(nil, &now) {
		return nil
	}
	s.stop()
	if s.keys != nil {
		<-s.keys.refresh.ended
	}
	if s.list != nil {
		<-s.list.refresh.ended
	}
	s.fetcher.close()
	return nil
}

// With returns a Verifier that has further requirements, such as one for each route. It shares all else with v. A
// requirement that names nothing is never met.
func (v *Verifier) With(requirements ...Requirement) *Verifier {
	return &Verifier{state: v.state, requirements: slices.Concat(v.requirements, requirements)}
}

// Verify returns the claims of a good token. The error wraps one of the errors of this package, or is that of the
// context, which only a fetch of keys that were unknown waits for.
//
// The first check of a token verifies its signature. Later ones look its hash up, and check the times, whether its
// key is still published, the newest list of revocations and the requirements.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Claims, error) {
	c, err := v.check(ctx, raw)
	if err != nil {
		return nil, err
	}
	for _, r := range v.requirements {
		if err := r.check(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// check makes all checks but those of the requirements.
func (s *state) check(ctx context.Context, raw string) (*Claims, error) {
	if raw == "" {
		return nil, ErrNoToken
	}
	if len(raw) > maxToken {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrMalformed, maxToken)
	}
	now := time.Now()
	if closed := s.closed.Load(); closed != nil {
		return nil, &UnavailableError{Lacks: "open verifier", Since: *closed}
	}
	if err := s.keys.fresh(now); err != nil {
		return nil, err
	}
	sum := s.digest(raw)
	known, ok := s.accepted.get(sum)
	if ok && known.key.removed.Load() {
		s.accepted.drop(sum)
		ok = false
	}
	if !ok {
		var err error
		if known, err = s.examine(ctx, raw); err != nil {
			return nil, err
		}
		s.accepted.put(sum, known)
		now = time.Now() // a fetch of unknown keys can take seconds
	}
	if err := s.current(known, now); err != nil {
		return nil, err
	}
	return known.claims, nil
}

// digest returns the SHA-256 of a token, and allocates nothing: a token of the usual size is copied to the stack.
func (s *state) digest(raw string) [sha256.Size]byte {
	var small [2 << 10]byte
	if len(raw) <= len(small) {
		return sha256.Sum256(append(small[:0], raw...))
	}
	large, _ := s.buffers.Get().(*[maxToken]byte) // New makes no other type
	defer s.buffers.Put(large)
	return sha256.Sum256(large[:copy(large[:], raw)])
}

// examine checks what does not change while the key of the token is published.
func (s *state) examine(ctx context.Context, raw string) (*accepted, error) {
	signed, err := parseSigned(raw)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(accessTypes, signed.kind) {
		return nil, fmt.Errorf("%w: its type is %s", ErrMalformed, quote(signed.kind))
	}
	if !s.keys.publishes(signed.kid) {
		if err := s.keys.learn(ctx); err != nil {
			return nil, err
		}
	}
	payload, key, err := s.keys.verify(signed)
	if err != nil {
		return nil, err
	}
	c, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	switch {
	case s.tenant.issuers[c.Version] == "" || c.Issuer != s.tenant.issuers[c.Version]:
		return nil, fmt.Errorf("%w: %s, for version %s", ErrIssuer, quote(c.Issuer), c.Version)
	case c.TenantID != s.tenant.name:
		return nil, fmt.Errorf("%w: %s", ErrTenant, quote(c.TenantID))
	case !slices.Contains(s.settings.audiences, c.Audience):
		return nil, fmt.Errorf("%w: %s", ErrAudience, quote(c.Audience))
	}
	return &accepted{claims: c, subject: fold(c.ObjectID), key: key}, nil
}

// current checks what changes with time.
func (s *state) current(a *accepted, now time.Time) error {
	c := a.claims
	if !now.Before(c.Expires.Add(s.settings.skew)) {
		return &ExpiredError{Expired: c.Expires, Now: now}
	}
	if now.Add(s.settings.skew).Before(c.NotBefore) {
		return fmt.Errorf("%w: it is valid from %s", ErrNotYetValid, c.NotBefore.Format(time.RFC3339))
	}
	if s.list == nil {
		return nil
	}
	return s.list.check(a, now)
}

// Refresh fetches the keys and the list of revocations now, but not within five seconds after the last fetch began. It
// returns the error of the last fetch, so it also tells whether the issuer can be reached. A service need not call it.
func (v *Verifier) Refresh(ctx context.Context) error {
	if closed := v.closed.Load(); closed != nil {
		return &UnavailableError{Lacks: "open verifier", Since: *closed}
	}
	all := []*refresher{v.keys.refresh}
	if v.list != nil {
		all = append(all, v.list.refresh)
	}
	var failures []error
	for _, r := range all {
		if err := r.again(ctx); err != nil {
			return err
		}
		failures = append(failures, r.failure())
	}
	return errors.Join(failures...)
}
