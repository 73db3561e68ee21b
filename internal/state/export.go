package state

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"midas/internal/arm"
)

// Export is the content of a server in the form that Load reads. Notes say what is left out and why.
type Export struct {
	Notes []string

	ids          bool // ids are exported
	world        *world
	subscription string
	tenant       string
	domain       string
	user, client string // of the administrator, who is left out
	scope        arm.ID
	names        map[string]pair // references to principals, by object id
}

// pair is a member of an object of the exported file.
type pair struct {
	name  string
	value any
}

// Export reads what a server has in a scope: everything for "/", and otherwise what is in a subscription or in a part
// of one, with its role assignments. The administrator, secrets and enrolled machines are left out. With ids, the ids that
// a laboratory can fix are exported, so that a file rebuilds them.
func (s *Server) Export(ctx context.Context, scope string, ids bool) (*Export, error) {
	n := newNeed()
	n.managed = ids
	id, err := s.pruning(nil, cmp.Or(scope, "/"), n)
	if err != nil {
		return nil, err
	}
	w, err := s.read(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("read what the server has: %w", err)
	}
	subscription := cmp.Or(id.Subscription(), s.SubscriptionID)
	e := &Export{ids: ids, world: w, subscription: arm.Fold(subscription), tenant: s.TenantID, domain: s.Defaults().Domain, user: s.UserName, client: s.ClientID, scope: *id}
	return e, nil
}

// YAML returns the exported file.
func (e *Export) YAML() ([]byte, error) {
	e.nameAll()
	var parts []pair
	for _, part := range []struct {
		name string
		list []any
	}{
		{"resourceGroups", e.each(kindResourceGroup, e.resourceGroup)}, {"identities", e.each(kindIdentity, e.identity)},
		{"resources", e.each(kindResource, e.resource)}, {"users", e.each(kindUser, e.exportUser)}, {"groups", e.each(kindGroup, e.group)},
		{"applications", e.each(kindApplication, e.application)}, {"customRoles", e.each(kindCustomRole, e.customRole)},
		{"roleAssignments", e.assignments()},
	} {
		if len(part.list) > 0 {
			parts = append(parts, pair{part.name, part.list})
		}
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(e.node(parts)); err != nil {
		return nil, fmt.Errorf("write the declared state: %w", err)
	}
	return out.Bytes(), encoder.Close()
}

// each calls one for the entries of a kind, in the order of their keys, and returns what is exported.
func (e *Export) each(k kind, one func(string, map[string]any) []pair) (list []any) {
	for _, index := range slices.Sorted(maps.Keys(e.world.entries)) {
		if kind(index[0]-'A') != k {
			continue
		}
		entry := e.world.entries[index]
		if k >= kindResourceGroup && k <= kindResource {
			if id, err := arm.ParseID(textAt(entry, "id")); err != nil || !e.scope.Contains(id) || !arm.SameName(id.Subscription(), e.subscription) {
				continue
			}
		} else if k != kindCustomRole && !e.scope.IsRoot() {
			continue
		}
		if pairs := one(index, entry); pairs != nil {
			list = append(list, pairs)
		}
	}
	return list
}

// some returns the members of an entry that have a value.
func some(entry map[string]any, names ...string) (pairs []pair) {
	for _, name := range names {
		value := filled(entry[name])
		if tags, is := entry[name].(map[string]any); is && name == "tags" && len(tags) > 0 {
			value = tags // a tag can have an empty value
		}
		if value != nil {
			pairs = append(pairs, pair{name, value})
		}
	}
	return pairs
}

// fixed returns the ids of an entry if ids are exported.
func (e *Export) fixed(entry map[string]any, names ...string) []pair {
	if !e.ids {
		return nil
	}
	return some(entry, names...)
}

// filled returns a value without what is null, false or empty; nil if nothing is left.
func filled(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, value := range v {
			if value = filled(value); value != nil {
				out[name] = value
			}
		}
		if len(out) > 0 {
			return out
		}
		return nil
	case []any:
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}

func (e *Export) resourceGroup(_ string, entry map[string]any) []pair {
	return some(entry, "name", "location", "tags", "managedBy")
}

func (e *Export) identity(index string, entry map[string]any) []pair {
	id, _ := arm.ParseID(textAt(entry, "id")) // each has parsed it
	pairs := append([]pair{{"name", id.Name()}, {"resourceGroup", id.ResourceGroup()}}, some(entry, "location", "tags")...)
	properties, _ := entry["properties"].(map[string]any)
	kept := some(properties, "assignmentRestrictions")
	if scope := textAt(properties, "isolationScope"); scope != "" && scope != "None" {
		kept = append(kept, pair{"isolationScope", scope})
	}
	if kept = append(kept, e.fixed(properties, fixedPrincipal, fixedClient)...); len(kept) > 0 {
		pairs = append(pairs, pair{"properties", kept})
	}
	var credentials []any
	prefix := indexOf(kindFederated, index[1:]) + "/"
	for _, index := range e.below(prefix) {
		c := e.world.entries[index]
		properties, _ := c["properties"].(map[string]any)
		credentials = append(credentials, []pair{{"name", textAt(c, "name")}, {"properties", some(properties, "issuer", "subject", "claimsMatchingExpression", "audiences")}})
	}
	if credentials != nil {
		pairs = append(pairs, pair{"federatedCredentials", credentials})
	}
	return pairs
}

// below returns the indexes with a prefix, sorted.
func (e *Export) below(prefix string) (found []string) {
	if e.names["\x00sorted"].value == nil {
		e.names["\x00sorted"] = pair{value: slices.Sorted(maps.Keys(e.world.entries))}
	}
	all := e.names["\x00sorted"].value.([]string)
	at, _ := slices.BinarySearch(all, prefix)
	for ; at < len(all) && strings.HasPrefix(all[at], prefix); at++ {
		found = append(found, all[at])
	}
	return found
}

func (e *Export) resource(_ string, entry map[string]any) []pair {
	id, _ := arm.ParseID(textAt(entry, "id")) // each has parsed it
	words, names := strings.Split(textAt(entry, "type"), "/"), []string{}
	for at := id; len(names) < len(words)-1; at = at.Parent() {
		names = append([]string{at.Name()}, names...)
	}
	pairs := []pair{{"type", textAt(entry, "type")}, {"name", strings.Join(names, "/")}, {"resourceGroup", id.ResourceGroup()}}
	pairs = append(pairs, some(entry, "location", "tags", "kind", "sku", "plan", "zones", "extendedLocation", "managedBy")...)
	if kind := textAt(entry, "identity", "type"); kind != "" && !arm.SameName(kind, "None") {
		block := []pair{{"type", kind}}
		identities, _ := entry["identity"].(map[string]any)["userAssignedIdentities"].(map[string]any)
		var list []any
		for _, name := range slices.Sorted(maps.Keys(identities)) {
			list = append(list, e.short(name, id.ResourceGroup()))
		}
		if list != nil {
			block = append(block, pair{"userAssignedIdentities", list})
		}
		principal := map[string]any{fixedPrincipal: textAt(entry, "identity", fixedPrincipal)}
		principal[fixedClient] = e.world.clients[arm.Fold(textAt(principal, fixedPrincipal))]
		pairs = append(pairs, pair{"identity", append(block, e.fixed(principal, fixedPrincipal, fixedClient)...)})
	}
	if properties, is := writable(entry)["properties"].(map[string]any); is && len(properties) > 0 {
		pairs = append(pairs, pair{"properties", properties})
	}
	return pairs
}

// short names an identity as short as possible from a resource of a group.
func (e *Export) short(id, group string) string {
	parsed, err := arm.ParseID(id)
	switch {
	case err != nil:
		return id
	case arm.SameName(parsed.ResourceGroup(), group):
		return parsed.Name()
	}
	return parsed.ResourceGroup() + "/" + parsed.Name()
}

func (e *Export) exportUser(_ string, entry map[string]any) []pair {
	name := textAt(entry, "userPrincipalName")
	if arm.SameName(name, e.user) {
		return nil
	}
	alias, domain, _ := strings.Cut(name, "@")
	if arm.SameName(domain, e.domain) {
		name = alias
	}
	pairs := append([]pair{{"userPrincipalName", name}}, append(e.fixed(entry, fixedObject), some(entry, append([]string{"displayName", "mailNickname"}, userTexts()...)...)...)...)
	if entry["accountEnabled"] == false {
		pairs = append(pairs, pair{"accountEnabled", false})
	}
	return pairs
}

func (e *Export) group(index string, entry map[string]any) []pair {
	if e.world.ambiguous[index] {
		e.note("Several groups are called %q; none of them is exported.", textAt(entry, "displayName"))
		return nil
	}
	pairs := append(some(entry, "displayName"), append(e.fixed(entry, fixedObject), some(entry, "description", "mailNickname")...)...)
	var members []any
	for _, id := range slices.Sorted(maps.Keys(e.world.members[index])) {
		if to, known := e.names[id]; known {
			members = append(members, []pair{to})
		} else {
			e.note("The group %q has a member %s that cannot be named.", textAt(entry, "displayName"), id)
		}
	}
	if members != nil {
		pairs = append(pairs, pair{"members", byText(members)})
	}
	return pairs
}

func (e *Export) application(index string, entry map[string]any) []pair {
	if arm.SameName(textAt(entry, "appId"), e.client) {
		return nil
	}
	if e.world.ambiguous[index] {
		e.note("Several applications are called %q; none of them is exported.", textAt(entry, "displayName"))
		return nil
	}
	kept := maps.Clone(entry)
	if web, is := entry["web"].(map[string]any); is {
		web = maps.Clone(web)
		delete(web, "redirectUriSettings") // follows from redirectUris
		kept["web"] = web
	}
	pairs := append(some(kept, "displayName"), e.fixed(kept, fixedObject, fixedApp)...)
	if service := e.fixed(map[string]any{fixedObject: e.world.owners[arm.Fold(textAt(entry, fixedApp))]}, fixedObject); service != nil {
		pairs = append(pairs, pair{"servicePrincipal", service})
	}
	pairs = append(pairs, some(kept, append([]string{"identifierUris", "signInAudience", "isFallbackPublicClient", "tags"}, applicationObjects()...)...)...)
	var credentials []any
	for _, index := range e.below(indexOf(kindAppFederated, index[1:]) + "\x00") {
		credentials = append(credentials, some(e.world.entries[index], "name", "issuer", "subject", "claimsMatchingExpression", "audiences", "description"))
	}
	if credentials != nil {
		pairs = append(pairs, pair{"federatedIdentityCredentials", credentials})
	}
	return pairs
}

func (e *Export) customRole(_ string, entry map[string]any) []pair {
	if _, all := assignableIn(e.scope, entry); !all {
		return nil
	}
	properties, _ := entry["properties"].(map[string]any)
	var scopes []any
	list, _ := properties["assignableScopes"].([]any)
	for _, s := range list {
		text, _ := s.(string)
		scopes = append(scopes, e.relative(text))
	}
	return []pair{{"name", textAt(entry, "name")}, {"properties", append(some(properties, "roleName", "description", "permissions"), pair{"assignableScopes", scopes})}}
}

// relative returns a scope without the subscription.
func (e *Export) relative(scope string) string {
	if rest, found := strings.CutPrefix(arm.Fold(scope), "/subscriptions/"+e.subscription+"/"); found {
		return scope[len(scope)-len(rest):]
	}
	return scope
}

func (e *Export) assignments() (list []any) {
	admins := map[string]bool{arm.Fold(e.world.owners[arm.Fold(e.client)]): true, e.world.principals[indexOf(kindUser, arm.Fold(e.user))]: true}
	for _, key := range slices.Sorted(maps.Keys(e.world.assigned)) {
		entry := e.world.assigned[key]
		principal := arm.Fold(textAt(entry, "properties", "principalId"))
		at, err := arm.ParseID(textAt(entry, "properties", "scope"))
		if err != nil || !e.scope.Contains(at) || admins[principal] {
			continue
		}
		to, known := e.names[principal]
		role := arm.Fold(lastSegment(textAt(entry, "properties", "roleDefinitionId")))
		if !known {
			e.note("The role assignment of %s at %s is left out: its principal %s does not exist.", e.world.who(role), at, principal)
			continue
		}
		pairs := append([]pair{{"role", e.world.who(role)}, {"principal", []pair{to}}}, e.fixed(entry, "name")...)
		if scope := e.relative(at.String()); !at.IsSubscription() {
			pairs = append(pairs, pair{"scope", scope})
		}
		properties, _ := entry["properties"].(map[string]any)
		if more := some(properties, "description", "condition", "conditionVersion"); more != nil {
			pairs = append(pairs, pair{"properties", more})
		}
		list = append(list, pairs)
	}
	return byText(list)
}

// byText sorts values by their texts. Object ids differ between servers, and the order of an export must not.
func byText(list []any) []any {
	return slices.SortedFunc(slices.Values(list), func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

func (e *Export) note(format string, args ...any) {
	e.Notes = append(e.Notes, fmt.Sprintf(format, args...))
}

// nameAll finds how each principal is named.
func (e *Export) nameAll() {
	e.names = map[string]pair{}
	for index, id := range e.world.principals {
		entry := e.world.entries[index]
		if e.world.ambiguous[index] {
			continue
		}
		switch kind(index[0] - 'A') {
		case kindUser:
			e.names[id] = pair{"user", textAt(entry, "userPrincipalName")}
			if alias, domain, _ := strings.Cut(textAt(entry, "userPrincipalName"), "@"); arm.SameName(domain, e.domain) {
				e.names[id] = pair{"user", alias}
			}
		case kindGroup:
			e.names[id] = pair{"group", textAt(entry, "displayName")}
		case kindApplication:
			e.names[id] = pair{"application", textAt(entry, "displayName")}
		case kindIdentity:
			e.names[id] = pair{"identity", e.short(textAt(entry, "id"), "")}
		case kindResource:
			e.names[id] = pair{"resource", e.relative(textAt(entry, "id"))}
		}
	}
}

// node returns the node of a value. Members of exported objects keep their order, others are sorted.
func (e *Export) node(v any) *yaml.Node {
	switch v := v.(type) {
	case []pair:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, p := range v {
			n.Content = append(n.Content, e.node(p.name), e.node(p.value))
		}
		return n
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, e.node(name), e.node(v[name]))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, element := range v {
			n.Content = append(n.Content, e.node(element))
		}
		return n
	case string:
		for id, name := range map[string]string{e.subscription: "${subscriptionId}", e.tenant: "${tenantId}"} {
			if id != "" {
				v = strings.ReplaceAll(v, id, name)
			}
		}
		n := &yaml.Node{}
		n.SetString(v)
		return n
	case fmt.Stringer: // json.Number
		return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(v)}
}
