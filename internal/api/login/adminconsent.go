package login

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

func (h *signIn) adminConsentV2(x *request) error { return h.adminConsent(x, false) }

func (h *signIn) adminConsentV1(x *request) error { return h.adminConsent(x, true) }

// adminConsent asks an administrator to consent to an application for all users. The consent covers the
// scopes in the request, or else all permissions that the application's registration lists. The answer
// has no code.
func (h *signIn) adminConsent(x *request, v1 bool) error {
	values, err := parameters(x.r)
	if err != nil {
		return err
	}
	a, err := h.client(x, values)
	if err != nil {
		return err
	}
	a.Admin, a.Mode = true, "query"
	if err := a.readAdminScope(values, v1); err != nil {
		var e *Error
		if errors.As(err, &e) {
			return h.replyError(x, a, e)
		}
		return err
	}
	return h.start(x, pending{Authorization: a})
}

func (a *authorization) readAdminScope(values url.Values, v1 bool) error {
	scope := values.Get("scope")
	if v1 || scope == "" {
		if !v1 {
			return errMissingParameter("scope")
		}
		return nil
	}
	s, err := parseScopes(scope)
	a.Scope = storedScope(s)
	return err
}

// proceedAdmin shows the page that asks for an administrator's consent, even if all was granted before.
func (h *signIn) proceedAdmin(x *request, about pending, s subject) error {
	wanted := consent{All: true}
	err := h.Directory.Store.View(x.r.Context(), func(tx store.Tx) (err error) {
		wanted.Grants, err = h.adminWants(tx, s)
		return err
	})
	if err == nil && len(wanted.Grants) == 0 {
		err = errNothingRequired(s.client.Application)
	}
	var e *Error
	if errors.As(err, &e) {
		return h.replyError(x, about.Authorization, e)
	}
	if err != nil {
		return err
	}
	if !directory.MayConsentForAllUsers(s.user.roles) {
		if moved, err := h.move(x, step{Page: stepConsent, Pending: about, Accounts: proofs([]*user{s.user})}); moved || err != nil {
			return err
		}
		e := errAdminConsent(s.client.Application)
		x.ev.Err, x.ev.ErrorCode = e, "AADSTS90094"
		about.Who = s.user.proof()
		return h.showPending(x, http.StatusForbidden, "approval", about, page{
			Title: "Approval required", User: isolated(s.user.UserPrincipalName, s.user.ID),
			Consent: &consentView{App: named(s.client.DisplayName, s.client.AppID)},
		})
	}
	return h.askConsent(x, about, s, wanted)
}

// adminWants returns the permissions that an application asks an administrator for. Microsoft's own
// clients need none.
func (h *signIn) adminWants(tx store.Tx, s subject) ([]permissions, error) {
	if s.client.FirstParty {
		return nil, nil
	}
	if len(s.scopes.asked) > 0 && !s.scopes.whole() {
		s.again = true
		d, err := h.delegated(tx, s)
		return d.missing, err
	}
	var all []permissions
	for _, needs := range s.client.RequiredAccess() {
		p, err := h.listed(tx, s, needs)
		if err != nil {
			return nil, err
		}
		if len(p.Scopes)+len(p.Roles) > 0 {
			all = append(all, p)
		}
	}
	if len(all) > 0 || len(s.scopes.asked) == 0 {
		return all, nil
	}
	s.again = true
	d, err := h.delegated(tx, s)
	return d.missing, err
}

// listed returns the permissions at one resource that a registration lists. They are empty if the resource
// is not in the tenant.
func (h *signIn) listed(tx store.Tx, s subject, needs directory.RequiredAccess) (permissions, error) {
	p := permissions{Client: s.client.principal.ID}
	at, err := h.offer(tx, s.user.TenantID, needs.ResourceAppID)
	var unknown *Error
	if errors.As(err, &unknown) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	roles, err := h.Directory.RolesOf(tx, at.ServicePrincipal)
	if err != nil {
		return p, err
	}
	p.Resource, p.Scopes = at.ID, at.byID(needs.Permissions)
	for _, r := range roles {
		if r.Enabled && contains(needs.Roles, r.ID) && contains(r.AllowedMemberTypes, "Application") {
			p.Roles = append(p.Roles, r.ID)
		}
	}
	return p, nil
}

// recordRoles assigns the app roles of a consent to the client.
func (h *signIn) recordRoles(tx store.Tx, s subject, p permissions, at offer) error {
	if len(p.Roles) == 0 {
		return nil
	}
	held, err := h.Directory.DirectoryRoles(tx, s.user.TenantID, s.user.ID)
	if err != nil {
		return err
	}
	if !directory.MayConsentForAllUsers(held) || at.graph() && !directory.MayConsentToGraphRoles(held) {
		return errAdminConsent(s.client.Application)
	}
	for _, role := range p.Roles {
		_, err := h.Directory.AssignAppRole(tx, directory.AppRoleAssignment{
			TenantID: s.user.TenantID, PrincipalID: p.Client, ResourceID: p.Resource, AppRoleID: arm.Fold(role),
		})
		if err != nil && !errors.Is(err, directory.ErrExists) {
			return err
		}
	}
	return nil
}

// replyAdmin sends the application the answer that an administrator has consented.
func (h *signIn) replyAdmin(x *request, a *authorization, u *user) error {
	values := []field{{"admin_consent", "True"}, {"tenant", u.TenantID}}
	if a.Scope != "" {
		values = append(values, field{"scope", strings.TrimSpace(a.Scope)})
	}
	return h.reply(x, a, values...)
}
