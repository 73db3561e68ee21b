package federation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"midas/internal/outbound"
	"midas/internal/trace"
)

// fetched is the result of a fetch.
type fetched struct {
	keys  *keySet
	fresh time.Duration
	err   *IssuerError
}

// errBusy means that the turn of a fetch did not come in time. It says nothing about the issuer.
var errBusy = errors.New("too many other issuers are being asked")

// errPanic means that the server has a fault, which the documents have triggered.
var errPanic = errors.New("the server could not read the documents because of a fault of its own")

// fetch reads the discovery document and the keys of an issuer, and reports that.
func (i *Issuers) fetch(s *issuerSource) fetched {
	ctx, cancel := context.WithTimeout(context.Background(), outbound.Timeout)
	defer cancel()
	// It is a trace of its own, because callers of several requests wait for it. The documents of an issuer are asked
	// for without a header traceparent, which would tell the issuer which requests belong together.
	ctx, span := trace.Pass(i.tracer.Job(ctx, "federation.fetch"))
	defer span.End()
	span.Set(trace.String("midas.issuer", shorten(s.issuer)))
	got := i.fetchInTurn(ctx, s)
	outcome := "ok"
	if got.err != nil {
		outcome = string(got.err.Reason)
		span.Fail(outcome)
		i.noteFailure(ctx, i.now(), got.err)
	} else {
		i.log.LogAttrs(ctx, slog.LevelDebug, "the keys of an issuer were fetched",
			slog.String("issuer", shorten(s.issuer)), slog.Int("keys", len(got.keys.keys)), slog.Int("skipped", len(got.keys.skipped)))
	}
	i.onFetch(outcome)
	return got
}

// fetchInTurn waits for a free place among the fetches, unless the operator lists the issuer.
func (i *Issuers) fetchInTurn(ctx context.Context, s *issuerSource) fetched {
	if s.settings.Issuer != "" {
		return i.readSafely(ctx, s)
	}
	places := i.places[placesOf(s.state.Load())]
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
	case <-ctx.Done():
		return fetched{err: &IssuerError{s.issuer, "", Unreachable, errBusy}}
	}
	return i.readSafely(ctx, s)
}

// placesOf returns the index of the places of fetches for an issuer. Issuers that have failed do not take the places of
// others, and new ones not those of issuers that were reached, so that many that do not answer keep only each other
// waiting.
func placesOf(s *issuerState) (n int) {
	if s.keys != nil {
		n = 1
	}
	if s.failures > 0 {
		n += 2
	}
	return n
}

// readSafely is read. A panic while it reads a document of others fails the fetch and does not end the process.
func (i *Issuers) readSafely(ctx context.Context, s *issuerSource) (got fetched) {
	defer func() {
		if p := recover(); p != nil {
			i.log.LogAttrs(ctx, slog.LevelError, "panic while the documents of an issuer were read",
				slog.String("issuer", shorten(s.issuer)), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			got = fetched{err: &IssuerError{s.issuer, "", Document, errPanic}}
		}
	}()
	return i.read(ctx, s)
}

// read reads the two documents. The settings of the issuer hold for both.
func (i *Issuers) read(ctx context.Context, s *issuerSource) fetched {
	fail := func(reason Reason, err error) fetched { return fetched{err: &IssuerError{s.issuer, "", reason, err}} }
	if err := checkIssuer(s.issuer); err != nil {
		return fail(Unreachable, err)
	}
	policy := outbound.Policy{Private: s.settings.Private, MaxBody: maxDiscovery}
	if s.roots != nil {
		policy.Roots = s.roots.read(i.now(), i.log)
	}
	doc, err := i.get(ctx, discoveryAddress(s.issuer), policy)
	if err != nil {
		return fail(Unreachable, fmt.Errorf("fetch the discovery document: %w", err))
	}
	address, err := parseDiscovery(doc.Body, s.issuer)
	if err != nil {
		return fail(Document, err)
	}
	policy.MaxBody = outbound.MaxBody
	set, err := i.get(ctx, address, policy)
	if err != nil {
		return fail(Unreachable, fmt.Errorf("fetch the keys: %w", err))
	}
	keys, err := parseKeys(set.Body)
	if err != nil {
		return fail(Document, err)
	}
	return fetched{keys: keys, fresh: min(freshness(set.Header), freshness(doc.Header))}
}

// get fetches a document that can be JSON by its type.
func (i *Issuers) get(ctx context.Context, address string, p outbound.Policy) (outbound.Response, error) {
	res, err := i.client.Get(ctx, address, p)
	if err == nil && !isData(res.Header) {
		err = fmt.Errorf("the document has the type %s", shorten(res.Header.Get("Content-Type")))
	}
	return res, err
}

// isData reports whether an answer is declared as JSON, or as something that is not displayed. File servers know no
// better; pages of errors and of sign-ins are text/html.
func isData(h http.Header) bool {
	declared := h.Get("Content-Type")
	if declared == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(declared)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	switch kind {
	case "application/json", "text/json", "text/plain", "application/octet-stream", "binary/octet-stream":
		return true
	}
	return strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")
}

// shorten bounds a text of others in the log.
func shorten(s string) string {
	const longest = 500
	return s[:min(len(s), longest)]
}
