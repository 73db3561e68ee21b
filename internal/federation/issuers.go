package federation

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"midas/internal/outbound"
	"midas/internal/throttle"
	"midas/internal/token"
	"midas/internal/trace"
)

const (
	// maxFetches is how many issuers of each of the classes of placesOf are asked at once. Those that the operator
	// lists are not counted.
	maxFetches = 32
	// maxWaiting is how many callers wait for the keys of an issuer at once, maxWaitingForOne how many of them for
	// the same one. A caller waits for outbound.Timeout at most.
	maxWaiting, maxWaitingForOne = 4096, 1024
)

// IssuersConfig configures Issuers. Now is required.
type IssuersConfig struct {
	Settings []IssuerSettings
	Now      func() time.Time
	Log      *slog.Logger         // nil discards the lines
	Client   *outbound.Client     // nil: the resolver of the system
	OnFetch  func(outcome string) // is called after each fetch with "ok" or a Reason; may be nil
	Tracer   *trace.Tracer        // nil: fetches are not traced
}

// Issuers verifies the signatures of outside issuers. It fetches the keys of an issuer when an assertion needs them,
// and keeps those of a bounded number of issuers. It is safe for concurrent use.
type Issuers struct {
	now     func() time.Time
	log     *slog.Logger
	client  *outbound.Client
	onFetch func(string)
	tracer  *trace.Tracer

	listed map[string]*listedIssuer // does not change
	others issuerTable

	places   [4]chan struct{} // of fetches, by placesOf
	waiting  chan struct{}    // the places of callers that wait for a fetch
	failures throttle.Lines   // of fetches that have failed
}

// listedIssuer is an issuer that the operator lists. Exactly one of file and source is set.
type listedIssuer struct {
	settings IssuerSettings
	file     *keysFile
	source   *issuerSource
}

// NewIssuers reads the files of the settings. It returns an error that says which setting is wrong.
func NewIssuers(cfg IssuersConfig) (*Issuers, error) {
	i := &Issuers{
		now: cfg.Now, log: cfg.Log, client: cfg.Client, onFetch: cfg.OnFetch, tracer: cfg.Tracer, listed: map[string]*listedIssuer{},
		waiting: make(chan struct{}, maxWaiting), failures: throttle.Lines{Max: maxFailureLines},
	}
	for n := range i.places {
		i.places[n] = make(chan struct{}, maxFetches)
	}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	if i.client == nil {
		i.client = &outbound.Client{}
	}
	if i.onFetch == nil {
		i.onFetch = func(string) {}
	}
	for _, s := range cfg.Settings {
		if err := s.check(); err != nil {
			return nil, err
		}
		if i.listed[s.Issuer] != nil {
			return nil, fmt.Errorf("issuer %q: it is listed twice", s.Issuer)
		}
		listed, err := i.open(s)
		if err != nil {
			return nil, fmt.Errorf("issuer %q: %w", s.Issuer, err)
		}
		i.listed[s.Issuer] = listed
	}
	return i, nil
}

// open reads the files of one issuer.
func (i *Issuers) open(s IssuerSettings) (*listedIssuer, error) {
	l := &listedIssuer{settings: s, source: newIssuerSource(s.Issuer)}
	l.source.settings = s
	var err error
	if s.CA != "" {
		if l.source.roots, err = openWatched(s.CA, i.now(), parseRoots); err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
	}
	if s.JWKS != "" {
		l.source = nil
		if l.file, err = openWatched(s.JWKS, i.now(), parseKeysFile); err != nil {
			return nil, fmt.Errorf("jwks: %w", err)
		}
	}
	return l, nil
}

// Verify checks the header and the signature of an assertion of an outside issuer. It fetches the discovery document
// and the keys of the issuer if they are not cached, so the caller has compared the assertion with credentials
// before. It examines neither times nor subject and audience. The error is an *IssuerError.
func (i *Issuers) Verify(ctx context.Context, a *token.Assertion) error {
	fail := func(reason Reason, detail error) error { return &IssuerError{a.Issuer, a.Kid, reason, detail} }
	switch a.Type {
	case "", "JWT", "http://openid.net/specs/jwt/1.0":
	default:
		return fail(HeaderType, nil)
	}
	if a.Algorithm != rs256 {
		return fail(Algorithm, nil)
	}
	ctx, span := trace.Start(ctx, "federation.verify")
	defer span.End()
	keys, failure := i.keys(ctx, a)
	if failure != nil {
		return failure
	}
	found := keys.find(a.Kid)
	if len(found) == 0 {
		return fail(UnknownKey, nil)
	}
	var err error
	for _, key := range found { // more than one if the issuer has used a key id twice
		if err = a.Verify(key); err == nil {
			return nil
		}
	}
	return fail(Signature, err)
}

// keys returns the keys of the issuer of an assertion.
func (i *Issuers) keys(ctx context.Context, a *token.Assertion) (*keySet, *IssuerError) {
	if listed := i.listed[a.Issuer]; listed == nil {
		return i.others.find(a.Issuer, i.now()).keys(ctx, i, a.Kid)
	} else if listed.file == nil {
		return listed.source.keys(ctx, i, a.Kid)
	} else {
		return listed.file.read(i.now(), i.log), nil
	}
}

// Enterprises returns the values of the claim "enterprise" of which an issuer's tokens must have one. It is empty if
// the claim is not examined.
func (i *Issuers) Enterprises(issuer string) []string {
	if listed := i.listed[issuer]; listed != nil {
		return listed.settings.Enterprise
	}
	return nil
}
