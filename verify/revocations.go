package verify

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// The bounds of how often the list of revocations is fetched, and how often if it does not say.
const (
	shortestRefresh = time.Second
	usualRefresh    = 30 * time.Second
	longestRefresh  = 5 * time.Minute
)

// revocations keeps the newest list of the issuer.
type revocations struct {
	url     string
	issuer  string // of the list: the issuer of version 2.0
	fetcher *fetcher
	keys    *keys
	now     func() time.Time
	maxAge  time.Duration
	skew    time.Duration

	current atomic.Pointer[list] // nil until the first fetch
	refresh *refresher
}

// check returns an error if the token was revoked, or if the list is too old to know.
func (r *revocations) check(a *accepted, now time.Time) error {
	l := r.current.Load()
	if elapsed(l.confirmed, now) > r.maxAge || !now.Before(l.expires.Add(r.skew)) {
		r.refresh.nudge()
		return &UnavailableError{Lacks: "list of revocations", Since: l.confirmed, Err: r.refresh.failure()}
	}
	if l.refuses(a.subject, a.claims.IssuedAt.Unix()) {
		return ErrRevoked
	}
	return nil
}

// fetch replaces the list by the one that the issuer publishes now, or confirms the one that is known.
func (r *revocations) fetch(ctx context.Context) (time.Duration, error) {
	known, tag := r.current.Load(), ""
	if known != nil && !known.key.removed.Load() && r.now().Before(known.expires) {
		tag = known.tag // otherwise the issuer must send a list, because this one would not be accepted again
	}
	body, newTag, err := r.fetcher.get(ctx, request{url: r.url, tag: tag, limit: maxList})
	if err != nil {
		return 0, fmt.Errorf("fetch list of revocations: %w", err)
	}
	if body == nil {
		confirmed := *known
		confirmed.confirmed = r.now()
		r.current.Store(&confirmed)
		return confirmed.refresh, nil
	}
	next, err := r.parse(ctx, string(body))
	if err != nil {
		return 0, fmt.Errorf("read list of revocations of %s: %w", r.url, err)
	}
	next.tag = newTag
	if known != nil {
		if next, err = known.followedBy(next); err != nil {
			return 0, fmt.Errorf("read list of revocations of %s: %w", r.url, err)
		}
	}
	r.current.Store(next)
	return next.refresh, nil
}

// parse checks the signature, the type, the issuer and the times of a list.
func (r *revocations) parse(ctx context.Context, raw string) (*list, error) {
	signed, err := parseSigned(raw)
	if err != nil {
		return nil, err
	}
	if signed.kind != listType {
		return nil, fmt.Errorf("its type is %s, not %q", quote(signed.kind), listType)
	}
	if !r.keys.publishes(signed.kid) {
		if err := r.keys.refresh.again(ctx); err != nil { // without the bound of requests, which strangers can use up
			return nil, err
		}
	}
	payload, key, err := r.keys.verify(signed)
	if err != nil {
		return nil, err
	}
	l, err := parseList(payload, r.issuer)
	if err != nil {
		return nil, err
	}
	now := r.now()
	if !now.Before(l.expires.Add(r.skew)) {
		return nil, fmt.Errorf("it expired at %s", l.expires.Format(time.RFC3339))
	}
	if l.issued.After(now.Add(r.skew + ahead)) {
		return nil, fmt.Errorf("it was issued at %s, which has not come yet", l.issued.Format(time.RFC3339))
	}
	l.key, l.confirmed, l.refresh = key, now, min(max(l.refresh, shortestRefresh), longestRefresh, max(r.maxAge/3, shortestRefresh))
	return l, nil
}
