package login

import (
	"errors"
	"log/slog"
	"net/http"
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

// noteExchange reports an exchange, granted or refused. The line has claims of the assertion, by which an operator
// compares it with the credentials, and never the assertion itself.
func (h *tokens) noteExchange(req *tokenRequest, err error) {
	x := req.exchange
	if x == nil || h.SignIns == nil {
		return
	}
	in := signin.SignIn{Outcome: signin.Granted, Identity: x.client.principal.ID, Open: true, Attrs: []slog.Attr{
		slog.String("client", req.ev.ClientIP), slog.String("request", req.ev.RequestID), slog.String("audience", arm.Clip(req.scope+req.resource)),
		slog.String("tenant", req.tenant.ID), slog.String("client_id", arm.Clip(req.clientID)),
	}}
	add := func(name, value string) { in.Attrs = append(in.Attrs, slog.String(name, clipped(value))) }
	if p := x.client.principal; p.ID != "" {
		add("identity", p.ID)
	}
	if x.client.managed() {
		add("identity_resource", x.client.principal.ResourceID)
	}
	if a := x.assertion; a != nil {
		add("assertion_issuer", a.Issuer)
		add("assertion_subject", a.Subject)
		add("assertion_audience", strings.Join(a.Audience, ","))
	}
	if err == nil {
		add("credential", x.credential.Name)
	} else {
		in.Outcome = describeRefusal(err, add)
	}
	h.SignIns.Note(req.r.Context(), in)
}

// describeRefusal adds the code of a refusal and what it means to a line, and returns the outcome.
func describeRefusal(err error, add func(name, value string)) signin.Outcome {
	var e *Error
	if !errors.As(err, &e) {
		e = errInternal(err)
	}
	add("code", "AADSTS"+strconv.Itoa(e.Number))
	var m *federation.Mismatch
	var failed *federation.IssuerError
	switch {
	case errors.As(err, &m):
		add("reason", m.Words())
		if m.Nearest != nil {
			add("nearest", m.Nearest.Name)
		}
	case errors.As(err, &failed):
		add("reason", failed.Error())
	default:
		add("reason", e.Text)
	}
	if e.Status >= http.StatusInternalServerError {
		return signin.Failed
	}
	return signin.Refused
}

// clipped shortens a text of a client to 1 KiB, so that lines stay short.
func clipped(text string) string {
	const most = 1 << 10
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
