package login

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"midas/internal/api/signin"
	"midas/internal/arm"
	"midas/internal/federation"
	"midas/internal/token"
)

// exchangeAttempt is what is known of an exchange when its request ends.
type exchangeAttempt struct {
	assertion  *token.Assertion // nil if it cannot be read
	client     client           // empty if it was not found
	credential federation.Credential
}

// usualAttrs is for how many attributes of a line there is space at first: a granted exchange has so many at most.
const usualAttrs = 12

// noteExchange reports an exchange, granted or refused. The line has claims of the assertion, by which an operator
// compares it with the credentials, and never the assertion itself.
func (h *tokens) noteExchange(req *tokenRequest, err error) {
	x := req.exchange
	if x == nil || h.SignIns == nil {
		return
	}
	attrs := append(make([]slog.Attr, 0, usualAttrs),
		slog.String("client", req.ev.ClientIP), slog.String("request", req.ev.RequestID), slog.String("audience", arm.Clip(cmp.Or(req.scope, req.resource))),
		slog.String("tenant", req.tenant.ID), slog.String("client_id", arm.Clip(req.clientID)),
	)
	in := signin.SignIn{Outcome: signin.Granted, Identity: x.client.principal.ID, Open: true, Attrs: attrs}
	add := func(name, value string) { in.Attrs = append(in.Attrs, slog.String(name, clipped(value))) }
	if p := x.client.principal; p.ID != "" {
		add("identity", p.ID)
	}
	if x.client.managed() {
		add("identity_resource", x.client.principal.ResourceID)
	}
	if err != nil {
		in.Outcome, in.Describe = refusalOutcome(err), func() []slog.Attr { return h.describeRefusal(req, err) }
	} else {
		in.Attrs = append(in.Attrs, assertionAttrs(x.assertion)...)
		add("credential", x.credential.Name)
	}
	h.SignIns.Note(req.r.Context(), in)
}

// assertionAttrs are the claims of an assertion that credentials are compared with.
func assertionAttrs(a *token.Assertion) []slog.Attr {
	if a == nil {
		return nil
	}
	return []slog.Attr{
		slog.String("assertion_issuer", clipped(a.Issuer)), slog.String("assertion_subject", clipped(a.Subject)),
		slog.String("assertion_audience", clipped(strings.Join(a.Audience, ","))),
	}
}

func refusalOutcome(err error) signin.Outcome {
	var e *Error
	if !errors.As(err, &e) || e.Status >= http.StatusInternalServerError {
		return signin.Failed
	}
	return signin.Refused
}

// describeRefusal says what was presented, the code of the refusal, and why: with the nearest credential, the field that
// differs and both values, as an explanation has them.
func (h *tokens) describeRefusal(req *tokenRequest, err error) []slog.Attr {
	var e *Error
	if !errors.As(err, &e) {
		e = errInternal(err)
	}
	code := "AADSTS" + strconv.Itoa(e.Number)
	explained := h.explainRefusal(req, err, code)
	all := append(assertionAttrs(explained.Assertion), slog.String("code", code))
	var failed *federation.IssuerError
	switch {
	case errors.As(err, &failed) && failed.Reason != federation.Algorithm && failed.Reason != federation.HeaderType:
		return append(all, slog.String("reason", clipped(failed.Error())))
	case !aboutAssertion(e) || len(explained.Findings) == 0:
		return append(all, slog.String("reason", clipped(e.Text)))
	}
	if c := explained.Nearest; c != nil {
		all = append(all, slog.String("nearest", clipped(c.Name)))
	}
	var reasons []string
	for _, f := range explained.Findings {
		reasons = append(reasons, f.Text)
	}
	return append(all, slog.String("field", string(explained.Findings[0].Field)), slog.String("reason", clipped(strings.Join(reasons, " "))))
}

// aboutAssertion reports whether an assertion is refused for what it has, and not for the client or the rest of the
// request.
func aboutAssertion(e *Error) bool {
	var m *federation.Mismatch
	var failed *federation.IssuerError
	return errors.As(e, &m) || errors.As(e, &failed) || slices.Contains([]int{50027, 700024, 5002727, 5002738}, e.Number)
}

// explainRefusal explains why an assertion is refused. It asks nothing from the issuer. Of a client that was not found,
// or whose assertion cannot be read, the credentials are not compared.
func (h *tokens) explainRefusal(req *tokenRequest, err error, code string) federation.Explanation {
	x := req.exchange
	q := federation.Question{Attempt: federation.Attempt{Refused: err, Code: code}, Raw: string(req.assertion), Now: h.Now()}
	if x.assertion != nil {
		q.Own = h.issuedHere(h.underOwnName(req.tenant, x.assertion))
	}
	if x.client.principal.ID != "" && h.Federated != nil {
		q.Credentials, _ = h.Federated(req.r.Context(), x.client.principal)
	}
	explained := federation.Explain(q)
	if x.client.principal.ID == "" {
		explained.Findings = slices.DeleteFunc(explained.Findings, func(f federation.Finding) bool { return f.Field == federation.ClientID })
	}
	return explained
}

// clipped shortens a text of a client to 1 KiB, so that lines stay short.
func clipped(text string) string {
	const most = 1 << 10
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
