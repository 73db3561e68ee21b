package state

import (
	"fmt"
	"strings"

	"midas/internal/arm"
)

// pruning returns the scope in which what is not declared is deleted, or nil, and adds what must be read for it.
func (s *Server) pruning(d *Declaration, scope string, n *need) (*arm.ID, error) {
	if scope == "" {
		return nil, nil
	}
	if !strings.HasPrefix(scope, "/") {
		scope = "/subscriptions/" + s.SubscriptionID + "/" + scope
	}
	id, err := arm.ParseID(scope)
	if err != nil {
		return nil, fmt.Errorf("the scope %q is not an id: it %w", scope, err)
	}
	if id.Subscription() == "" && !id.IsRoot() {
		return nil, fmt.Errorf("the scope %q is neither /, a subscription nor below one", scope)
	}
	n.all = true
	subscription := id.Subscription()
	if subscription == "" {
		subscription = s.SubscriptionID
	}
	n.subscriptions[arm.Fold(subscription)] = true
	return &id, nil
}

// prune adds steps that delete what is in a scope, is of a kind that files declare, and is neither declared nor
// referred to by what is declared. Objects of
// the directory are only in the scope of the tenant. The administrator is never deleted, nor its rights.
func (p *Plan) prune(scope *arm.ID) {
	kept := p.referred()
	for index, entry := range p.world.entries {
		k, key := kind(index[0]-'A'), index[1:]
		if p.declaration.byIndex[index] != nil || kept[index] || p.world.ambiguous[index] {
			continue
		}
		o := &object{kind: k, key: key, label: key}
		path := ""
		switch k {
		case kindUser, kindGroup, kindApplication, kindAppFederated:
			if path = p.directoryPath(k, key, entry); path == "" || !scope.IsRoot() {
				continue
			}
		case kindResourceGroup, kindIdentity, kindFederated, kindResource:
			id, err := arm.ParseID(textAt(entry, "id"))
			if err != nil || !scope.Contains(id) {
				continue
			}
			o.id, o.label, path = id, shortID(id), armPath(id, "", versionOf(k))
		case kindCustomRole:
			home, all := assignableIn(*scope, entry)
			if !all {
				continue
			}
			o.label = textAt(entry, "properties", "roleName")
			path = armPath(home, "/providers/"+string(typeRoleDefinition)+"/"+textAt(entry, "name"), versionRole)
		default:
			continue
		}
		p.Steps = append(p.Steps, &Step{Action: Delete, object: o, entry: entry, path: path})
	}
	p.pruneAssignments(scope)
}

func versionOf(k kind) string {
	switch k {
	case kindIdentity:
		return versionIdentity
	case kindFederated:
		return versionFederated
	case kindResource:
		return versionResource
	}
	return versionCore
}

// directoryPath is the path of an object of the directory; it is empty for the administrator.
func (p *Plan) directoryPath(k kind, key string, entry map[string]any) string {
	id := textAt(entry, "id")
	switch k {
	case kindUser:
		if arm.SameName(key, p.server.UserName) {
			return ""
		}
		return graphPath + "users/" + id
	case kindApplication:
		if arm.SameName(textAt(entry, "appId"), p.server.ClientID) {
			return ""
		}
		return graphPath + "applications/" + id
	case kindAppFederated:
		app, _, _ := strings.Cut(key, "\x00")
		parent := p.world.entries[indexOf(kindApplication, app)]
		if p.declaration.byIndex[indexOf(kindApplication, app)] == nil || arm.SameName(textAt(parent, "appId"), p.server.ClientID) {
			return "" // it goes with its application
		}
		return graphPath + "applications/" + textAt(parent, "id") + "/federatedIdentityCredentials/" + id
	}
	return graphPath + "groups/" + id
}

// assignableIn reports whether all assignable scopes of a role are in a scope, and returns the subscription of the
// first one, at which the role can be deleted.
func assignableIn(scope arm.ID, entry map[string]any) (home arm.ID, all bool) {
	properties, _ := entry["properties"].(map[string]any)
	scopes, _ := properties["assignableScopes"].([]any)
	for i, s := range scopes {
		text, _ := s.(string)
		id, err := arm.ParseID(text)
		if err != nil || !scope.Contains(id) {
			return arm.ID{}, false
		}
		if i == 0 {
			home = id.SubscriptionScope()
		}
	}
	return home, len(scopes) > 0
}

// pruneAssignments adds steps that delete the role assignments of a scope that are not declared.
func (p *Plan) pruneAssignments(scope *arm.ID) {
	kept := map[string]bool{
		arm.Fold(p.world.owners[arm.Fold(p.server.ClientID)]):              true,
		p.world.principals[indexOf(kindUser, arm.Fold(p.server.UserName))]: true,
	}
	for _, entry := range p.world.assigned {
		at, err := arm.ParseID(textAt(entry, "properties", "scope"))
		id, bad := arm.ParseID(textAt(entry, "id"))
		principal := arm.Fold(textAt(entry, "properties", "principalId"))
		if err != nil || bad != nil || entry[matchedKey] != nil || !scope.Contains(at) || kept[principal] {
			continue
		}
		role := arm.Fold(lastSegment(textAt(entry, "properties", "roleDefinitionId")))
		label := p.world.who(role) + " for " + p.world.who(principal) + " at " + at.String()
		p.Steps = append(p.Steps, &Step{Action: Delete, object: &object{kind: kindRoleAssignment, label: label}, entry: entry, path: armPath(id, "", versionRole)})
	}
}

// shortID names an object of Resource Manager without its subscription.
func shortID(id arm.ID) string {
	text := strings.Replace(id.String(), "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/", "/", 1)
	text = strings.Replace(text, "/federatedIdentityCredentials/", "/", 1)
	parts := strings.SplitN(text, "/", 5) // "", subscriptions, ID, resourceGroups, NAME…
	if len(parts) < 5 {
		return text
	}
	return strings.Replace(parts[4], "/providers/", "/", 1)
}
