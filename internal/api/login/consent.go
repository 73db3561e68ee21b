package login

import (
	"errors"
	"fmt"
	"net/http"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// consent is the content of a consent page. The page's form carries it sealed, so that accepting grants
// exactly what the user has read, even if the registration has changed meanwhile.
type consent struct {
	Grants []permissions `json:"grants"`
	All    bool          `json:"all,omitempty"` // for all users, whether or not the box is ticked
}

// maxConsentKeys is how many keys one consent may read and write. A transaction is limited to
// store.MaxOperations.
const maxConsentKeys = store.MaxOperations - 18

// check refuses, before the page is shown, a consent that could not be recorded in one transaction.
func (c *consent) check() error {
	keys := 0
	for _, one := range c.Grants {
		if len(joined(one.Scopes)) > directory.MaxGrantScope {
			return errNotRecorded(fmt.Errorf("%d permissions at %s", len(one.Scopes), one.Resource))
		}
		keys += 8 + 2*len(one.Roles) // the resource, its application, the grants and their index keys
	}
	if keys > maxConsentKeys {
		return errNotRecorded(fmt.Errorf("%d grants take %d keys", len(c.Grants), keys))
	}
	return nil
}

// allow issues a code, or approves a device, for a user who has signed in. If permissions are missing, it
// asks for consent first.
func (h *signIn) allow(x *request, about pending, u *user) error {
	x.ev.Caller = u.ID
	about.Consent = nil
	s, err := h.asking(x, about, u)
	if err != nil {
		return err
	}
	if about.Authorization != nil && about.Authorization.Admin {
		return h.proceedAdmin(x, about, s)
	}
	wanted, err := h.toConsent(x, s)
	var e *Error
	if errors.As(err, &e) && about.Authorization != nil {
		return h.replyError(x, about.Authorization, e)
	}
	if err != nil {
		return err
	}
	switch {
	case len(wanted.Grants) > 0:
		return h.askConsent(x, about, s, wanted)
	case about.Device != nil:
		return h.approve(x, about, u)
	}
	return h.issueCode(x, about.Authorization, u)
}

// asking returns the client of a page, in the user's tenant, with the user and the requested scopes.
func (h *signIn) asking(x *request, about pending, u *user) (s subject, err error) {
	id, scope := "", ""
	if a := about.Authorization; a != nil {
		id, scope, s.again = a.ClientID, a.Scope, a.Again
		err = h.member(x, a, u)
	} else {
		id, scope = about.Device.ClientID, about.Device.Scope
		err = h.mayApprove(x, *about.Device, u)
	}
	if err != nil {
		return s, err
	}
	tenant, err := h.admit(x, u.TenantID)
	if err != nil {
		return s, err
	}
	s.user = u
	if s.client, err = h.findClient(x.r.Context(), tenant, id); err != nil {
		return s, err
	}
	if !s.client.FirstParty && !s.client.principal.Enabled {
		return s, errDisabled(id, s.client.DisplayName)
	}
	if scope != "" { // otherwise the token request names the scopes, and fails if they were not granted
		s.scopes, err = parseScopes(scope)
	}
	return s, err
}

// toConsent returns the permissions for which the user has to be asked. It refuses a user who may not use
// the client.
func (h *signIn) toConsent(x *request, s subject) (c consent, err error) {
	if err := h.assignedAtPage(x.r.Context(), s); err != nil {
		return c, err
	}
	if len(s.scopes.asked) == 0 {
		return c, nil
	}
	err = h.Directory.Store.View(x.r.Context(), func(tx store.Tx) error {
		d, err := h.delegated(tx, s)
		c.Grants = append(d.missing, d.combined...)
		return err
	})
	return c, err
}

// askConsent shows the consent page, or a page that says that an administrator's approval is required.
func (h *signIn) askConsent(x *request, about pending, s subject, wanted consent) error {
	if a := about.Authorization; a != nil && a.silent() {
		return h.silent(x, a, s, wanted)
	}
	if err := wanted.check(); err != nil {
		return err
	}
	if moved, err := h.move(x, step{Page: stepConsent, Pending: about, Accounts: proofs([]*user{s.user})}); moved || err != nil {
		return err
	}
	about.Who, about.Consent = s.user.proof(), &wanted
	view, err := h.view(x.r.Context(), s, wanted)
	if err != nil {
		return err
	}
	if about.Authorization != nil {
		view.ReturnsTo = about.Authorization.RedirectURI
	}
	p := page{Title: "Permissions requested", User: isolated(s.user.UserPrincipalName, s.user.ID), Consent: view}
	if view.NeedsAdmin && !directory.MayConsentForAllUsers(s.user.roles) || view.NeedsGraphAdmin && !directory.MayConsentToGraphRoles(s.user.roles) {
		e := errAdminConsent(s.client.Application)
		x.ev.Err, x.ev.ErrorCode = e, "AADSTS90094"
		about.Consent = nil
		p.Title = "Approval required"
		return h.showPending(x, e.Status, "approval", about, p)
	}
	return h.showPending(x, http.StatusOK, "consent", about, p)
}

// silent answers a request that allows no page (prompt=none). Permissions that only a middle-tier service
// lacks do not prevent the client from getting its own tokens.
func (h *signIn) silent(x *request, a *authorization, s subject, wanted consent) error {
	for _, one := range wanted.Grants {
		if arm.SameName(one.Client, s.client.principal.ID) {
			return h.replyError(x, a, errSilentConsent(s.client.Application))
		}
	}
	return h.issueCode(x, a, s.user)
}

// accept records the consent that the page has shown to the user, and continues.
func (h *signIn) accept(x *request, about pending, organization bool) error {
	if about.Consent == nil {
		return errStalePage(errors.New("the form does not belong to a consent page"))
	}
	u, err := h.byForm(x, about)
	if err != nil {
		return err
	}
	if u == nil {
		return h.ask(x, about, "", nil)
	}
	x.ev.Caller = u.ID
	s, err := h.asking(x, about, u)
	if err != nil {
		return err
	}
	if a := about.Authorization; a != nil {
		if to, found := findRedirect(s.client.Redirects, a.RedirectURI); !found || to.page != a.Page {
			return errRedirect(a.RedirectURI, a.ClientID)
		}
	}
	shown := *about.Consent
	shown.All = shown.All || organization
	if shown.All && !directory.MayConsentForAllUsers(u.roles) {
		return errAdminConsent(s.client.Application)
	}
	if _, err := h.Directory.Store.Update(x.r.Context(), func(tx store.Tx) error { return h.record(tx, s, shown) }); err != nil {
		return unrecorded(err)
	}
	if about.Authorization != nil {
		again := *about.Authorization
		again.Again = false // the user was asked
		about.Authorization = &again
		if again.Admin {
			return h.replyAdmin(x, &again, u)
		}
	}
	return h.allow(x, about, u)
}

// record writes the grants of a consent. It looks the user's roles up again, because they may have changed
// since the page was shown.
func (h *signIn) record(tx store.Tx, s subject, c consent) error {
	roles, err := h.Directory.DirectoryRoles(tx, s.user.TenantID, s.user.ID)
	if err != nil {
		return err
	}
	admin := directory.MayConsentForAllUsers(roles)
	if c.All && !admin {
		return errAdminConsent(s.client.Application)
	}
	for _, one := range c.Grants {
		at, err := h.offered(tx, s.user.TenantID, one.Resource)
		if err != nil {
			return err
		}
		for _, value := range one.Scopes {
			if at.needsAdmin(value) && !admin {
				return errAdminConsent(s.client.Application)
			}
		}
		if err := h.recordOne(tx, s, one, c.All); err != nil {
			return err
		}
		if err := h.recordRoles(tx, s, one, at); err != nil {
			return err
		}
	}
	return nil
}

func (h *signIn) recordOne(tx store.Tx, s subject, p permissions, all bool) error {
	if len(p.Scopes) == 0 {
		return nil
	}
	g := directory.PermissionGrant{
		TenantID: s.user.TenantID, ClientID: p.Client, ResourceID: p.Resource,
		ConsentType: directory.ConsentPrincipal, PrincipalID: s.user.ID, Scope: joined(p.Scopes),
	}
	if all {
		g.ConsentType, g.PrincipalID = directory.ConsentAllPrincipals, ""
	}
	_, err := h.Directory.AddPermissions(tx, g)
	return err
}

// unrecorded maps errors of record to errors for the user.
func unrecorded(err error) error {
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return errStalePage(err) // an application or the user was deleted since the page was shown
	case errors.Is(err, directory.ErrInvalid), errors.Is(err, directory.ErrTooManyGrants), errors.Is(err, store.ErrTooLarge):
		return errNotRecorded(err)
	}
	return err
}
