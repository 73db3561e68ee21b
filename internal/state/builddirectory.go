package state

import (
	"strings"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"midas/internal/arm"
	"midas/internal/identity"
)

// userName returns a userPrincipalName with its domain.
func (b *builder) userName(name string) string {
	if name == "" || strings.Contains(name, "@") {
		return name
	}
	return name + "@" + b.d.defaults.Domain
}

func (b *builder) user(n *yaml.Node) {
	name := b.userName(textOf(member(n, "userPrincipalName")))
	if name == "" {
		return
	}
	o := &object{kind: kindUser, at: b.doc.at(n), key: arm.Fold(name), label: name,
		body: plain(n, append([]string{"displayName", "accountEnabled", "mailNickname"}, userTexts()...)...)}
	o.body["userPrincipalName"] = name
	o.fixed = b.fixed(n, o.body, "id")
	if profile := member(n, "passwordProfile"); profile != nil {
		password := member(profile, "password")
		b.fixed(profile, map[string]any{}, "password")
		o.secret = textOf(password)
		if change := member(profile, "forceChangePasswordNextSignIn"); change != nil && change.Value == "true" {
			o.body[forceChangeKey] = true
		}
	}
	b.add(o)
}

// forceChangeKey is the member of a user's body that is sent only with a new password.
const forceChangeKey = "\x00forceChange"

func (b *builder) group(n *yaml.Node) {
	name := textOf(member(n, "displayName"))
	if name == "" {
		return
	}
	o := &object{kind: kindGroup, at: b.doc.at(n), key: arm.Fold(name), label: name, body: plain(n, "displayName", "description", "mailNickname")}
	o.fixed = b.fixed(n, o.body, "id")
	members := member(n, "members")
	if members != nil {
		o.body[membersKey] = true
	}
	if b.add(o) == nil || members == nil {
		return
	}
	group := &reference{at: o.at, kind: kindGroup, key: o.key, label: name}
	for _, m := range members.Content {
		if to := b.principal(m); to != nil {
			b.add(&object{kind: kindMember, at: b.doc.at(m), key: o.key + "\x00" + to.index() + to.guid, label: to.label + " of " + name, parent: group, to: to})
		}
	}
}

// membersKey is the member of a group's body that is not sent: it says that members are declared.
const membersKey = "\x00members"

// principal reads a reference to a principal; it is nil if it has mistakes, which are reported.
func (b *builder) principal(n *yaml.Node) *reference {
	if n == nil || n.Kind != yaml.MappingNode || len(n.Content) != 2 || textOf(n.Content[1]) == "" {
		return nil
	}
	what, value := n.Content[0].Value, n.Content[1]
	r := &reference{at: b.doc.at(value), label: what + " " + textOf(value)}
	switch what {
	case "user":
		r.kind, r.key = kindUser, arm.Fold(b.userName(value.Value))
	case "group":
		r.kind, r.key = kindGroup, arm.Fold(value.Value)
	case "application":
		r.kind, r.key = kindApplication, arm.Fold(value.Value)
	case "id":
		r.guid = arm.Fold(value.Value)
	case "identity":
		id, ok := b.identityID(value, "")
		if !ok {
			return nil
		}
		r.kind, r.key = kindIdentity, id.Key()
	case "resource":
		id, ok := b.resourceReference(value)
		if !ok {
			return nil
		}
		r.kind, r.key = kindResource, id.Key()
	default:
		return nil
	}
	return r
}

// resourceReference returns the id of a resource that is named GROUP/TYPE/NAME or by its id.
func (b *builder) resourceReference(n *yaml.Node) (arm.ID, bool) {
	text := textOf(n)
	if strings.HasPrefix(text, "/") || strings.HasPrefix(arm.Fold(text), "resourcegroups/") {
		return b.parse(n, b.absolute(text))
	}
	parts := strings.Split(text, "/")
	if len(parts) < 4 || len(parts)%2 != 0 {
		b.wrong(n, "%q names no resource: it must be GROUP/TYPE/NAME, such as rg1/Microsoft.Compute/virtualMachines/web1, or an id.", arm.Clip(text))
		return arm.ID{}, false
	}
	path := b.scopeOfSubscription() + "/resourceGroups/" + parts[0] + "/providers/" + parts[1]
	words := (len(parts) - 2) / 2 // types come first, then as many names
	for i := range words {
		path += "/" + parts[2+i] + "/" + parts[2+words+i]
	}
	return b.parse(n, path)
}

func (b *builder) application(n *yaml.Node) {
	name := textOf(member(n, "displayName"))
	if name == "" {
		return
	}
	o := &object{kind: kindApplication, at: b.doc.at(n), key: arm.Fold(name), label: name,
		body: plain(n, append([]string{"displayName", "identifierUris", "signInAudience", "isFallbackPublicClient", "tags"}, applicationObjects()...)...)}
	o.fixed = b.fixed(n, o.body, fixedObject, fixedApp)
	if service, has := b.fixed(member(n, "servicePrincipal"), map[string]any{}, fixedObject)[fixedObject]; has {
		if o.fixed == nil {
			o.fixed = map[string]fixedID{}
		}
		o.fixed[fixedService] = service
	}
	if b.add(o) == nil {
		return
	}
	app := &reference{at: o.at, kind: kindApplication, key: o.key, label: name}
	for _, c := range elements(member(n, "passwordCredentials")) {
		label := textOf(member(c, "displayName"))
		b.fixed(c, map[string]any{}, "secretText")
		if label != "" {
			b.add(&object{kind: kindSecret, at: b.doc.at(c), key: o.key + "\x00" + arm.Fold(label), label: name + "/" + label, parent: app,
				body: map[string]any{"displayName": label}, secret: textOf(member(c, "secretText"))})
		}
	}
	for _, c := range elements(member(n, "federatedIdentityCredentials")) {
		if label := textOf(member(c, "name")); label != "" {
			body := plain(c, "name", "issuer", "subject", "audiences", "description", "claimsMatchingExpression")
			if body["audiences"] == nil {
				body["audiences"] = []any{defaultAudience}
			}
			b.add(&object{kind: kindAppFederated, at: b.doc.at(c), key: o.key + "\x00" + arm.Fold(label), label: name + "/" + label, parent: app, body: body})
		}
	}
}

func elements(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// namespace is that of the GUIDs that are made of names, so that a second run finds what the first one has made.
var namespace = uuid.MustParse("4b0de8b1-7f6c-5d0e-9a57-0c5d2f3a9f11")

func guidOf(parts ...string) string {
	return uuid.NewSHA1(namespace, []byte(strings.Join(parts, "\x00"))).String()
}

func (b *builder) customRole(n *yaml.Node) {
	properties := member(n, "properties")
	name := textOf(member(properties, "roleName"))
	if name == "" {
		return
	}
	o := &object{kind: kindCustomRole, at: b.doc.at(n), key: arm.Fold(name), label: name, body: plain(n, "properties"), guid: arm.Fold(textOf(member(n, "name")))}
	o.named = o.guid != ""
	if !o.named {
		o.guid = guidOf(b.d.defaults.TenantID, o.key)
	}
	scopes := []any{}
	for _, s := range elements(member(properties, "assignableScopes")) {
		if id, ok := b.parse(s, b.absolute(textOf(s))); ok {
			scopes = append(scopes, id.String())
			if r := armReference(id, b.doc.at(s)); r != nil {
				o.uses = append(o.uses, *r)
			}
		}
	}
	if len(scopes) == 0 {
		scopes = append(scopes, b.scopeOfSubscription())
	}
	if body, ok := o.body["properties"].(map[string]any); ok {
		body["assignableScopes"], body["type"] = scopes, "CustomRole"
	}
	o.scope, _ = arm.ParseID(scopes[0].(string)) // it was parsed before
	b.add(o)
}

func (b *builder) roleAssignment(n *yaml.Node) {
	properties := member(n, "properties")
	scopeNode := member(n, "scope")
	at := n
	if scopeNode != nil {
		at = scopeNode
	}
	scope, ok := b.parse(at, b.absolute(textOf(scopeNode)))
	role, principal := textOf(member(n, "role")), b.principal(member(n, "principal"))
	if id := member(properties, "roleDefinitionId"); id != nil && role == "" {
		role = lastSegment(textOf(id))
		if !arm.IsGUID(role) {
			b.wrong(id, "%q is not the id of a role definition; a role can be named with \"role\".", arm.Clip(textOf(id)))
			return
		}
	}
	if id := member(properties, "principalId"); id != nil && principal == nil {
		principal = &reference{at: b.doc.at(id), guid: arm.Fold(textOf(id)), label: textOf(id)}
	}
	switch {
	case role == "":
		b.wrong(n, "A role assignment needs a \"role\".")
		return
	case principal == nil && member(n, "principal") == nil:
		b.wrong(n, "A role assignment needs a \"principal\".")
		return
	case principal == nil || !ok:
		return
	}
	o := &object{kind: kindRoleAssignment, at: b.doc.at(n), scope: scope, role: role, to: principal, guid: arm.Fold(textOf(member(n, "name"))),
		key:   scope.Key() + "\x00" + arm.Fold(role) + "\x00" + principal.index() + principal.guid,
		label: role + " for " + principal.label + " at " + scope.String(), body: plain(n, "properties")}
	o.named = o.guid != ""
	body, _ := o.body["properties"].(map[string]any)
	for _, name := range []string{"roleDefinitionId", "principalId"} {
		delete(body, name)
	}
	b.add(o)
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func (b *builder) host(n *yaml.Node) {
	resource := member(n, "resource")
	if textOf(resource) == "" {
		return
	}
	id, ok := b.resourceReference(resource)
	if !ok {
		return
	}
	if !id.IsResource() || id.Type().Is(identity.Type) {
		b.wrong(resource, "%q is not a resource that can have hosts.", arm.Clip(textOf(resource)))
		return
	}
	b.add(&object{kind: kindHost, at: b.doc.at(n), key: id.Key(), label: id.String(), parent: armReference(id, b.doc.at(resource))})
}
