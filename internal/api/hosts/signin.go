package hosts

import (
	"log/slog"
	"net/http"

	"midas/internal/api/signin"
	"midas/internal/host"
)

// noteSignIn reports a request for a token: with the identity, the audience, the host and its address.
func (h *Handler) noteSignIn(req *request, in host.TokenRequest, p host.Principal, err error) {
	outcome := signin.Granted
	attrs := []slog.Attr{
		slog.String("host", req.host.ID), slog.String("resource", req.host.Resource), slog.String("client", req.ev.ClientIP),
		slog.String("request", req.ev.RequestID), slog.String("audience", in.Audience),
	}
	if err != nil {
		r := asRefusal(err)
		outcome = signin.Refused
		if r.status >= http.StatusInternalServerError {
			outcome = signin.Failed
		}
		attrs = append(attrs, slog.Any("selected", in.Selector), slog.String("code", r.code))
	} else {
		attrs = append(attrs,
			slog.String("tenant", p.TenantID), slog.String("identity", p.ObjectID),
			slog.String("client_id", p.ClientID), slog.String("identity_resource", p.ResourceID))
	}
	h.SignIns.Note(req.r.Context(), signin.SignIn{Outcome: outcome, Identity: p.ObjectID, Attrs: attrs})
}
