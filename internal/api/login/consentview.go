package login

import (
	"context"
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// consentView is the content of a consent page in words. Names are isolated, because the owners of
// applications choose them.
type consentView struct {
	App, AppID string
	Publisher  string
	ReturnsTo  string // the redirect URI; empty for a device
	Groups     []permissionGroup
	NeedsAdmin bool // only an administrator may consent
	MayAll     bool // the user may consent for all users
	All        bool // the consent is for all users, without a box to tick

	NeedsGraphAdmin bool // an application administrator may not consent
}

// permissionGroup lists the permissions of one application at one resource.
type permissionGroup struct {
	Client   string // the application's name; empty for the one that asks
	Resource string
	Lines    []permissionLine
}

// permissionLine is one permission in words.
type permissionLine struct {
	Name, Text, Value string
	Admin             bool
}

// view looks up the names and descriptions of a consent.
func (h *signIn) view(ctx context.Context, s subject, c consent) (*consentView, error) {
	v := &consentView{
		App: named(s.client.DisplayName, s.client.AppID), AppID: s.client.AppID,
		MayAll: directory.MayConsentForAllUsers(s.user.roles), All: c.All,
	}
	err := h.Directory.Store.View(ctx, func(tx store.Tx) error {
		v.Groups, v.NeedsAdmin, v.NeedsGraphAdmin = nil, false, false
		tenant, err := h.Directory.Tenant(tx, s.client.TenantID)
		if err != nil {
			return err
		}
		v.Publisher = named(tenant.DefaultDomain, tenant.DisplayName, tenant.ID)
		for _, one := range c.Grants {
			if err := h.viewOne(tx, s, v, one); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("describe a consent: %w", err)
	}
	return v, nil
}

func (h *signIn) viewOne(tx store.Tx, s subject, v *consentView, p permissions) error {
	at, err := h.offered(tx, s.user.TenantID, p.Resource)
	if err != nil {
		return err
	}
	g := permissionGroup{Resource: named(at.DisplayName, at.AppID)}
	if !arm.SameName(p.Client, s.client.principal.ID) {
		other, err := h.Directory.ServicePrincipal(tx, s.user.TenantID, p.Client)
		if err != nil {
			return err
		}
		g.Client = named(other.DisplayName, other.AppID)
	}
	for _, value := range p.Scopes {
		line := at.line(value)
		v.NeedsAdmin = v.NeedsAdmin || line.Admin
		g.Lines = append(g.Lines, line)
	}
	lines, err := h.roleLines(tx, at, p.Roles)
	if err != nil {
		return err
	}
	if len(lines) > 0 {
		v.NeedsAdmin, v.NeedsGraphAdmin = true, v.NeedsGraphAdmin || at.graph()
	}
	g.Lines = append(g.Lines, lines...)
	v.Groups = append(v.Groups, g)
	return nil
}

// line describes a delegated permission.
func (o offer) line(value string) permissionLine {
	name := named(o.DisplayName, o.AppID)
	line := permissionLine{Value: value, Admin: o.needsAdmin(value), Name: "Access " + name + " as you"}
	if value != directory.UserImpersonation {
		line.Name = value
	}
	if p, found := directory.FindPermission(o.defined, value); found {
		line.Name = named(p.UserName, p.AdminName, line.Name)
		line.Text = named(p.UserText, p.AdminText)
	}
	if strings.TrimSuffix(plainly(line.Text), ".") == strings.TrimSuffix(plainly(line.Name), ".") {
		line.Text = "" // it only repeats the name
	}
	return line
}

// roleLines describes app roles, which an application has without a signed-in user.
func (h *signIn) roleLines(tx store.Tx, at offer, ids []string) (lines []permissionLine, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	roles, err := h.Directory.RolesOf(tx, at.ServicePrincipal)
	if err != nil {
		return nil, err
	}
	for _, r := range roles {
		if contains(ids, r.ID) {
			lines = append(lines, permissionLine{
				Name: named(r.DisplayName, r.Value, r.ID) + " (without a signed-in user)", Text: named(r.Description), Value: r.Value, Admin: true,
			})
		}
	}
	return lines, nil
}

// named returns the first name that has a visible character, isolated, because the owners of applications
// choose names.
func named(names ...string) string {
	for _, name := range names {
		if plainly(name) != "" {
			return isolated(name, "")
		}
	}
	return ""
}

func joined(scopes []string) string { return strings.Join(scopes, " ") }
