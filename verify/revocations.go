package verify

import (
	"context"
	"errors"
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

// list is a list of revocations that was good. It does not change.
type list struct {
	version   uint64
	expires   time.Time
	refresh   time.Duration
	revoked   map[string]int64 // by object id: tokens that were issued before this time, in Unix seconds, are revoked
	key       *publicKey       // has signed it
	tag       string           // ETag
	confirmed time.Time        // when the issuer last said that this is its list
}

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
func (r *revocations) check(c *Claims, now time.Time) error {
	l := r.current.Load()
	if elapsed(l.confirmed, now) > r.maxAge {
		r.refresh.nudge()
		return &UnavailableError{Lacks: "list of revocations", Since: l.confirmed, Err: r.refresh.failure()}
	}
	if before, ok := l.revoked[c.ObjectID]; ok && c.IssuedAt.Unix() < before {
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
	if known != nil && next.version < known.version {
		return 0, fmt.Errorf("read list of revocations of %s: version %d is older than version %d, which is known", r.url, next.version, known.version)
	}
	next.tag = newTag
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
	payload, key, err := r.keys.verify(ctx, signed)
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
	l.key, l.confirmed, l.refresh = key, now, min(max(l.refresh, shortestRefresh), longestRefresh, max(r.maxAge/3, shortestRefresh))
	return l, nil
}

// wireEntry is one entry of a list. Pointers tell a missing member from an empty one.
type wireEntry struct {
	ObjectID *string `json:"oid"`
	Before   *int64  `json:"before"`
}

// parseList reads the payload of a list. A list with one entry that cannot be read is refused as a whole.
func parseList(payload []byte, issuer string) (*list, error) {
	o, err := parseObject(payload)
	if err != nil {
		return nil, err
	}
	var entries []wireEntry
	r, l := &reader{object: o}, &list{refresh: usualRefresh}
	if named := r.text("iss"); named != issuer {
		return nil, fmt.Errorf("its issuer is %s", quote(named))
	}
	hasVersion, hasEntries := r.get("version", &l.version), r.get("revoked", &entries)
	_, hasIssue := r.time("iat")
	expires, hasExpiry := r.time("exp")
	var seconds uint32
	if r.get("refresh", &seconds) {
		l.refresh = time.Duration(seconds) * time.Second
	}
	if !hasVersion || !hasEntries || !hasIssue || !hasExpiry {
		r.fail("version, revoked, iat or exp is missing")
	}
	if r.err != nil {
		return nil, r.err
	}
	l.expires = expires
	l.revoked, err = index(entries)
	return l, err
}

// index makes the entries findable. The latest time counts if there are several for one object.
func index(entries []wireEntry) (map[string]int64, error) {
	revoked := make(map[string]int64, len(entries))
	for _, e := range entries {
		if e.ObjectID == nil || *e.ObjectID == "" || e.Before == nil {
			return nil, errors.New("an entry has no oid or no before")
		}
		revoked[*e.ObjectID] = max(revoked[*e.ObjectID], *e.Before)
	}
	return revoked, nil
}
