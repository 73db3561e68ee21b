package directory

import (
	"encoding/json"
	"errors"
	"slices"

	"midas/internal/arm"
	"midas/internal/store"
)

// Permission is a delegated permission that a resource defines, an oauth2PermissionScope of Microsoft
// Graph. Its JSON is that of Microsoft Graph.
type Permission struct {
	ID        string `json:"id"`
	Value     string `json:"value"` // in the scp claim: User.Read
	Type      string `json:"type"`  // PermissionForUsers or PermissionForAdmins: who may consent to it
	Enabled   bool   `json:"isEnabled"`
	AdminName string `json:"adminConsentDisplayName"`
	AdminText string `json:"adminConsentDescription"`
	UserName  string `json:"userConsentDisplayName"`
	UserText  string `json:"userConsentDescription"`
}

// The values of Permission.Type.
const (
	PermissionForUsers  = "User"
	PermissionForAdmins = "Admin"
)

// UserImpersonation is the delegated permission for everything that the user may do at a resource.
const UserImpersonation = "user_impersonation"

// NeedsAdmin reports whether only an administrator may consent to the permission. An unknown Type needs an
// administrator.
func (p Permission) NeedsAdmin() bool { return p.Type != PermissionForUsers }

// FindPermission returns the enabled permission with a value, ignoring case.
func FindPermission(all []Permission, value string) (Permission, bool) {
	i := slices.IndexFunc(all, func(p Permission) bool { return p.Enabled && arm.SameName(p.Value, value) })
	if i < 0 {
		return Permission{}, false
	}
	return all[i], true
}

// PermissionsOf returns the delegated permissions that a service principal's application defines, including
// disabled ones. A managed identity has none.
func (d *Directory) PermissionsOf(tx store.Tx, p ServicePrincipal) ([]Permission, error) {
	switch {
	case arm.SameName(p.AppID, GraphAppID):
		return publishedGraphPermissions(), nil
	case arm.SameName(p.AppID, ARMAppID):
		return armPermissions(), nil
	case arm.SameName(p.AppID, AuthorizationAppID):
		return authorizationPermissions(), nil
	case p.FirstParty || p.Type == TypeManagedIdentity:
		return nil, nil
	}
	a, err := d.ApplicationByAppID(tx, p.TenantID, p.AppID)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return a.api().permissions(), err
}

// apiSettings is the part of an application's api property that consent uses. Application.Extra holds it
// as JSON of Microsoft Graph.
type apiSettings struct {
	Scopes     []json.RawMessage `json:"oauth2PermissionScopes"`
	Known      []string          `json:"knownClientApplications"`
	Authorized []struct {
		AppID       string   `json:"appId"`
		Permissions []string `json:"delegatedPermissionIds"` // ids of Permission
	} `json:"preAuthorizedApplications"`
}

// api reads the settings. Invalid JSON counts as empty settings, which grant nothing.
func (a *Application) api() (s apiSettings) {
	if raw, set := a.Extra["api"]; set && json.Unmarshal(raw, &s) != nil {
		return apiSettings{}
	}
	return s
}

func (s apiSettings) permissions() []Permission {
	var all []Permission
	for _, raw := range s.Scopes {
		var p Permission
		if json.Unmarshal(raw, &p) == nil && validScope(p.Value) {
			all = append(all, p)
		}
	}
	return all
}

// preauthorized returns the permissions that a resource grants to a client without consent
// (preAuthorizedApplications).
func (s apiSettings) preauthorized(client string) (values []string) {
	for _, one := range s.Authorized {
		if !arm.SameName(one.AppID, client) {
			continue
		}
		for _, p := range s.permissions() {
			listed := slices.ContainsFunc(one.Permissions, func(id string) bool { return p.ID != "" && arm.SameName(id, p.ID) })
			if p.Enabled && listed {
				values = append(values, p.Value)
			}
		}
	}
	return values
}

// HasKnownClient reports whether a client is among the application's knownClientApplications. The consent
// page for such a client also asks for the permissions that this application requires.
func (a *Application) HasKnownClient(client string) bool {
	return slices.ContainsFunc(a.api().Known, func(id string) bool { return arm.SameName(id, client) })
}

// RequiredAccess lists the permissions and app roles that an application requires of one resource.
type RequiredAccess struct {
	ResourceAppID string
	Permissions   []string // ids of delegated permissions
	Roles         []string // ids of app roles
}

// RequiredAccess reads the application's requiredResourceAccess, in its order.
func (a *Application) RequiredAccess() []RequiredAccess {
	var listed []struct {
		ResourceAppID string `json:"resourceAppId"`
		Access        []struct {
			ID   string `json:"id"`
			Type string `json:"type"` // Scope or Role
		} `json:"resourceAccess"`
	}
	if raw, set := a.Extra["requiredResourceAccess"]; !set || json.Unmarshal(raw, &listed) != nil {
		return nil
	}
	var all []RequiredAccess
	for _, one := range listed {
		r := RequiredAccess{ResourceAppID: one.ResourceAppID}
		for _, access := range one.Access {
			switch access.Type {
			case "Scope":
				r.Permissions = append(r.Permissions, access.ID)
			case "Role":
				r.Roles = append(r.Roles, access.ID)
			}
		}
		all = append(all, r)
	}
	return all
}
