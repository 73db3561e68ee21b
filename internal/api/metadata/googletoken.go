package metadata

import (
	"net/http"

	"midas/internal/api/httpx"
	"midas/internal/host"
)

// token answers with an access token, or with an identity token: a JWT for an audience.
func (p google) token(req *request, q query, account, leaf string) error {
	req.ev.Operation = "google/" + leaf
	if err := req.count(); err != nil {
		return err
	}
	if q.get("transport") != "" || q.get("binding-enforcement") != "" {
		return badRequest("tokens that are bound to a transport are not supported")
	}
	audience := p.audience
	if leaf == leafIdentity {
		if audience = q.get("audience"); audience == "" {
			return badRequest("non-empty audience parameter required")
		}
	}
	if audience == "" {
		return errGoogleAudience()
	}
	if err := checkAudience(audience); err != nil {
		return err
	}
	if leaf == leafIdentity && audience != p.audience && opensMicrosoft(audience) {
		return errGoogleAccess()
	}
	selector, err := req.account(account)
	if err != nil {
		return err
	}
	t, err := req.issue(selector, audience)
	if err != nil {
		return err
	}
	if leaf == leafIdentity && audience != p.audience && opensIssuer(t) {
		return errGoogleAccess()
	}
	if leaf == leafToken {
		googleJSON.Set(req.w.Header())
		return req.send(newBody(t).
			text("access_token", string(t.Raw)).
			number("expires_in", remaining(t, req.Now())).
			text("token_type", "Bearer"))
	}
	noStore.Set(req.w.Header())
	req.w.Header().Set("Content-Type", "text/html")
	httpx.WriteBody(req.w, http.StatusOK, []byte(t.Raw))
	return nil
}

// account returns the selector of a service account. The server decides which identity is the default one.
func (req *request) account(name string) (host.Selector, error) {
	if name == defaultAccount {
		return host.Selector{}, nil
	}
	if len(name) > maxSelector {
		return host.Selector{}, errIdentity(nil)
	}
	principals, err := req.Source.Principals(req.r.Context())
	if err != nil {
		return host.Selector{}, err
	}
	switch found := named(principals, name); len(found) {
	case 0:
		return host.Selector{}, errIdentity(nil)
	case 1:
		return host.Selector{ObjectID: found[0].ObjectID}, nil
	}
	return host.Selector{}, errSeveral()
}
