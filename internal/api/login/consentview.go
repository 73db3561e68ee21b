package login

import (
	"context"
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// consentView is what a consent page shows. Names in it are chosen by who has registered the
// applications, so they are isolated.
type consentView struct {
	App, AppID string
	Publisher  string
	ReturnsTo  string // where the answer goes; empty for a device
	Groups     []permissionGroup
	NeedsAdmin bool // only an administrator may consent
	MayAll     bool // the user may consent for all users
	All        bool // it is a consent for all users in any case

	NeedsGraphAdmin bool // an administrator of applications may not consent
}

// permissionGroup is what one application may do at one resource.
type permissionGroup struct {
	Client   string // its name, if it is another than the one that asks
	Resource string
	Lines    []permissionLine
}

// permissionLine is one permission in words.
type permissionLine struct {
	Name, Text, Value string
	Admin             bool
}

// view puts a consent into words.
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
		return nil, fmt.Errorf("word a consent: %w", err)
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

// line words a delegated permission.
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
	return line
}

// roleLines words app roles, which an application has without a user.
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

// named gives the first of some names of which anything can be seen, isolated. Who registers an
// application chooses them.
func named(names ...string) string {
	for _, name := range names {
		if plainly(name) != "" {
			return isolated(name, "")
		}
	}
	return ""
}

func joined(scopes []string) string { return strings.Join(scopes, " ") }
