package graph

import (
	"encoding/json"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
)

// checked is a property whose value is checked before it is stored. check is not given null.
func checked(f field[application], check func(json.RawMessage) bool) field[application] {
	store := f.set
	f.set = func(a *application, raw json.RawMessage) error {
		if !isNull(raw) && !check(raw) {
			return errValue(f.name)
		}
		return store(a, raw)
	}
	return f
}

// validAccess reports whether a value is a requiredResourceAccess: what an application requires of resources.
func validAccess(raw json.RawMessage) bool {
	var all []struct {
		ResourceAppID  string `json:"resourceAppId"`
		ResourceAccess []struct {
			ID   string `json:"id"`
			Type string `json:"type"`
		} `json:"resourceAccess"`
	}
	if json.Unmarshal(raw, &all) != nil {
		return false
	}
	for _, one := range all {
		for _, access := range one.ResourceAccess {
			if !arm.IsGUID(access.ID) || access.Type != "Scope" && access.Type != "Role" {
				return false
			}
		}
		if one.ResourceAppID == "" {
			return false
		}
	}
	return true
}

// validAPI reports whether the parts of an application's api property that a request names are valid. Consent
// reads them.
func validAPI(raw json.RawMessage) bool {
	var api struct {
		Known      []string               `json:"knownClientApplications"`
		Scopes     []directory.Permission `json:"oauth2PermissionScopes"`
		Authorized []struct {
			AppID string   `json:"appId"`
			IDs   []string `json:"delegatedPermissionIds"`
		} `json:"preAuthorizedApplications"`
	}
	if json.Unmarshal(raw, &api) != nil || !validScopes(api.Scopes) {
		return false
	}
	guids := api.Known
	for _, one := range api.Authorized {
		guids = append(append(guids, one.AppID), one.IDs...)
	}
	for _, id := range guids {
		if !arm.IsGUID(id) {
			return false
		}
	}
	return true
}

// validScopes reports whether delegated permissions have ids and values that differ.
func validScopes(all []directory.Permission) bool {
	ids, values := map[string]bool{}, map[string]bool{}
	for _, p := range all {
		id, value := arm.Fold(p.ID), arm.Fold(p.Value)
		known := p.Type == "" || p.Type == directory.PermissionForUsers || p.Type == directory.PermissionForAdmins
		if !arm.IsGUID(id) || ids[id] || value != "" && values[value] || !known || len(value) > 120 || strings.ContainsAny(value, " \t\r\n") {
			return false
		}
		ids[id], values[value] = true, true
	}
	return true
}
