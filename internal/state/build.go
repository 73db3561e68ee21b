package state

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/resource"
)

// builder makes the objects of one document.
type builder struct {
	*findings
	doc          *document
	d            *Declaration
	subscription string
	location     string
}

// build makes the objects of a document in the own form. It leaves out what has mistakes that the checker has reported.
func (b *builder) build(root *yaml.Node) {
	if root.Kind != yaml.MappingNode {
		return
	}
	if n := member(root, "subscription"); n != nil {
		b.subscription = arm.Fold(textOf(n))
		b.d.subscriptions[b.subscription] = b.doc.at(n)
	}
	b.location = textOf(member(root, "location"))
	for _, part := range []struct {
		name string
		make func(*yaml.Node)
	}{
		{"resourceGroups", b.resourceGroup}, {"identities", b.identity}, {"resources", b.resource}, {"users", b.user},
		{"groups", b.group}, {"applications", b.application}, {"customRoles", b.customRole},
		{"roleAssignments", b.roleAssignment}, {"hosts", b.host},
	} {
		list := member(root, part.name)
		if list == nil || list.Kind != yaml.SequenceNode {
			continue
		}
		for _, n := range list.Content {
			if n.Kind == yaml.MappingNode {
				part.make(n)
			}
		}
	}
}

// scopeOfSubscription is the id of the document's subscription.
func (b *builder) scopeOfSubscription() string { return "/subscriptions/" + b.subscription }

// parse parses an id and reports what is wrong with it.
func (b *builder) parse(at *yaml.Node, text string) (arm.ID, bool) {
	id, err := arm.ParseID(text)
	if err != nil {
		b.wrong(at, "%q is not an id: it %v.", arm.Clip(text), err)
		return arm.ID{}, false
	}
	if s := id.Subscription(); s != "" && !arm.SameName(s, b.subscription) {
		b.wrong(at, "%q is in another subscription than %s, which is that of this file.", arm.Clip(text), b.subscription)
		return arm.ID{}, false
	}
	return id, true
}

func (b *builder) wrong(at *yaml.Node, format string, args ...any) {
	b.findings.add(b.doc.at(at), format, args...)
}

func (b *builder) resourceGroup(n *yaml.Node) {
	name := textOf(member(n, "name"))
	if resource.CheckGroupName(name) != nil || name == "" {
		return
	}
	id, ok := b.parse(n, b.scopeOfSubscription()+"/resourceGroups/"+name)
	if !ok {
		return
	}
	o := b.add(&object{kind: kindResourceGroup, at: b.doc.at(n), key: id.Key(), label: name, id: id, body: plain(n, "location", "tags", "managedBy")})
	b.checkTags(n)
	b.locate(o)
}

// locate gives an object the location of the file's default.
func (b *builder) locate(o *object) {
	if o != nil && o.body["location"] == nil && b.location != "" {
		b.d.located[o] = b.location
	}
}

func (b *builder) checkTags(n *yaml.Node) {
	tags := member(n, "tags")
	if tags == nil || tags.Kind != yaml.MappingNode {
		return
	}
	texts := map[string]string{}
	for i := 0; i+1 < len(tags.Content); i += 2 {
		texts[tags.Content[i].Value] = textOf(tags.Content[i+1])
	}
	if err := resource.CheckTags(texts); err != nil {
		b.wrong(tags, "%s", sentence(err))
	}
}

func (b *builder) identity(n *yaml.Node) {
	name, group := textOf(member(n, "name")), textOf(member(n, "resourceGroup"))
	if identity.CheckName(name) != nil || group == "" || resource.CheckGroupName(group) != nil {
		return
	}
	id, ok := b.parse(n, b.scopeOfSubscription()+"/resourceGroups/"+group+"/providers/"+string(identity.Type)+"/"+name)
	if !ok {
		return
	}
	o := b.add(&object{kind: kindIdentity, at: b.doc.at(n), key: id.Key(), label: group + "/" + name, id: id, body: plain(n, "location", "tags", "properties")})
	b.checkTags(n)
	b.locate(o)
	if o != nil {
		properties, _ := o.body["properties"].(map[string]any)
		o.fixed = b.fixed(member(n, "properties"), properties, fixedPrincipal, fixedClient)
	}
	if list := member(n, "federatedCredentials"); list != nil && list.Kind == yaml.SequenceNode {
		for _, c := range list.Content {
			b.federated(c, id, group+"/"+name)
		}
	}
}

// defaultAudience is the audience that Microsoft recommends for federated credentials.
const defaultAudience = "api://AzureADTokenExchange"

func (b *builder) federated(n *yaml.Node, parent arm.ID, label string) {
	name, properties := textOf(member(n, "name")), plain(n, "properties")
	body, _ := properties["properties"].(map[string]any)
	if name == "" || body == nil || arm.CheckName(name) != nil {
		return
	}
	if body["audiences"] == nil {
		body["audiences"] = []any{defaultAudience}
	}
	if m, has := body["claimsMatchingExpression"].(map[string]any); has && m["languageVersion"] == nil {
		m["languageVersion"] = 1
	}
	var f identity.Federated
	if decode(body, &f) == nil {
		if err := identity.CheckFederated(name, f); err != nil {
			b.wrong(n, "%s", sentence(err))
			return
		}
	}
	id, ok := b.parse(n, parent.String()+"/"+identity.FederatedTypes+"/"+name)
	if ok {
		b.add(&object{kind: kindFederated, at: b.doc.at(n), key: id.Key(), label: label + "/" + name, id: id, body: properties})
	}
}

func (b *builder) resource(n *yaml.Node) {
	typ, name, group := textOf(member(n, "type")), textOf(member(n, "name")), textOf(member(n, "resourceGroup"))
	if checkType(typ) != nil || group == "" || resource.CheckGroupName(group) != nil || name == "" {
		return
	}
	id, ok := b.resourceID(n, group, typ, name)
	if !ok {
		return
	}
	o := &object{kind: kindResource, at: b.doc.at(n), key: id.Key(), label: group + "/" + typ + "/" + name, id: id,
		body: plain(n, "location", "tags", "properties", "kind", "sku", "plan", "zones", "extendedLocation", "managedBy")}
	if version := textOf(member(n, "apiVersion")); version != "" {
		o.body[apiVersionKey] = version
	}
	if block := member(n, "identity"); block != nil && block.Kind == yaml.MappingNode {
		o.body["identity"], o.uses = b.identityBlock(block, group)
		o.fixed = b.fixed(block, map[string]any{}, fixedPrincipal, fixedClient)
		for _, id := range o.fixed {
			if system, _, err := identityTypes(textOf(member(block, "type"))); err == nil && !system {
				b.findings.add(id.at, "The resource has no system-assigned identity whose ids could be fixed.")
			}
		}
		if tenant := member(block, "tenantId"); tenant != nil && !arm.SameName(textOf(tenant), b.d.defaults.TenantID) {
			b.wrong(tenant, "%q is another tenant than %s, which is that of the server.", arm.Clip(textOf(tenant)), b.d.defaults.TenantID)
		}
	}
	b.checkTags(n)
	b.locate(b.add(o))
}

// apiVersionKey is the member of a resource's body that is not sent: its api-version.
const apiVersionKey = "\x00apiVersion"

// resourceID returns the id of a resource whose type and name can be nested.
func (b *builder) resourceID(n *yaml.Node, group, typ, name string) (arm.ID, bool) {
	words, names := strings.Split(typ, "/"), strings.Split(name, "/")
	if len(words) != len(names)+1 {
		b.wrong(n, "The name %q has %d parts, and the type %q needs %d.", arm.Clip(name), len(names), arm.Clip(typ), len(words)-1)
		return arm.ID{}, false
	}
	path := b.scopeOfSubscription() + "/resourceGroups/" + group + "/providers/" + words[0]
	for i, word := range words[1:] {
		path += "/" + word + "/" + names[i]
	}
	return b.parse(n, path)
}

// identityBlock returns the property identity of a resource, whose user-assigned identities have their ids as names.
func (b *builder) identityBlock(n *yaml.Node, group string) (block map[string]any, uses []reference) {
	block = map[string]any{"type": textOf(member(n, "type"))}
	list := member(n, "userAssignedIdentities")
	if list == nil {
		return block, nil
	}
	step := 1
	if list.Kind == yaml.MappingNode {
		step = 2
	}
	ids := map[string]any{}
	for i := 0; i < len(list.Content); i += step {
		id, ok := b.identityID(list.Content[i], group)
		if !ok || step == 2 && list.Content[i+1].Tag == "!!null" {
			continue
		}
		ids[id.String()] = map[string]any{}
		uses = append(uses, *armReference(id, b.doc.at(list.Content[i])))
	}
	block["userAssignedIdentities"] = ids
	if _, user, err := identityTypes(textOf(member(n, "type"))); err == nil && !user && len(ids) > 0 {
		b.wrong(list, "The type of the identities is %q, which has no user-assigned identities.", textOf(member(n, "type")))
	}
	return block, uses
}

// identityID returns the id of a user-assigned identity that is named NAME, GROUP/NAME or by its id.
func (b *builder) identityID(n *yaml.Node, group string) (arm.ID, bool) {
	name := textOf(n)
	if !strings.HasPrefix(name, "/") && !strings.HasPrefix(arm.Fold(name), "resourcegroups/") {
		if g, rest, found := strings.Cut(name, "/"); found {
			group, name = g, rest
		}
		if err := identity.CheckName(name); err != nil || group == "" {
			b.wrong(n, "%q names no identity: it must be NAME, GROUP/NAME or an id.", arm.Clip(textOf(n)))
			return arm.ID{}, false
		}
		return b.parse(n, b.scopeOfSubscription()+"/resourceGroups/"+group+"/providers/"+string(identity.Type)+"/"+name)
	}
	id, ok := b.parse(n, b.absolute(name))
	if ok && !id.Type().Is(identity.Type) {
		b.wrong(n, "%q is not the id of a user-assigned identity.", arm.Clip(name))
		return arm.ID{}, false
	}
	return id, ok
}

// absolute returns the id of a scope that may have been written without its subscription.
func (b *builder) absolute(scope string) string {
	switch {
	case scope == "":
		return b.scopeOfSubscription()
	case strings.HasPrefix(scope, "/"):
		return scope
	}
	return b.scopeOfSubscription() + "/" + scope
}

// armReference refers to an object of Resource Manager; it is nil for scopes that no file declares.
func armReference(id arm.ID, at Position) *reference {
	r := &reference{at: at, key: id.Key(), label: id.String(), kind: kindResource}
	switch typ := id.Type(); {
	case id.IsResourceGroup():
		r.kind = kindResourceGroup
	case typ.Is(identity.Type):
		r.kind = kindIdentity
	case typ.Is(identity.FederatedType):
		r.kind = kindFederated
	case !id.IsResource() || id.GroupScope().IsRoot():
		return nil
	}
	return r
}
