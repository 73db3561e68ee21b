package federation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"midas/internal/outbound"
)

// fetched is the result of a fetch.
type fetched struct {
	keys  *keySet
	fresh time.Duration
	err   *IssuerError
}

// errBusy means that the turn of a fetch did not come in time.
var errBusy = errors.New("too many other issuers are being asked")

// fetch reads the discovery document and the keys of an issuer, and reports that.
func (i *Issuers) fetch(s *issuerSource) fetched {
	ctx, cancel := context.WithTimeout(context.Background(), outbound.Timeout)
	defer cancel()
	got := i.fetchInTurn(ctx, s)
	outcome := "ok"
	if got.err != nil {
		outcome = string(got.err.Reason)
		i.log.LogAttrs(ctx, slog.LevelWarn, "the keys of an issuer could not be fetched",
			slog.String("issuer", shorten(s.issuer)), slog.String("reason", outcome), slog.String("cause", shorten(got.err.Detail.Error())))
	} else {
		i.log.LogAttrs(ctx, slog.LevelDebug, "the keys of an issuer were fetched",
			slog.String("issuer", shorten(s.issuer)), slog.Int("keys", len(got.keys.keys)), slog.Int("skipped", len(got.keys.skipped)))
	}
	i.onFetch(outcome)
	return got
}

// fetchInTurn waits for a free place among the fetches. Issuers that were reached before, and those that the operator
// lists, have places of their own, so that new issuers that do not answer cannot keep them waiting.
func (i *Issuers) fetchInTurn(ctx context.Context, s *issuerSource) fetched {
	places := i.newcomers
	if s.settings.Issuer != "" || s.state.Load().keys != nil {
		places = i.known
	}
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
	case <-ctx.Done():
		return fetched{err: &IssuerError{s.issuer, "", Unreachable, errBusy}}
	}
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
