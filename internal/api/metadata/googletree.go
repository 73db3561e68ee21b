package metadata

import (
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/host"
)

const (
	// defaultAccount is the name of the default identity, also if another identity has this name.
	defaultAccount = "default"

	leafToken    = "token"
	leafIdentity = "identity"
)

// tokenLeaf stands in the tree for a value that is made for each request. Listings have its name, recursive
// answers leave it out.
type tokenLeaf struct{}

// googleScope is the scope of all service accounts. Libraries check it before they ask for a token.
const googleScope = "https://www.googleapis.com/auth/cloud-platform"

// tree is the tree of names, in which the account that is asked for is found under each of its names. The project
// is the subscription. The universe is the one that clients expect unless they are told another.
func (p google) tree(req *request, asked string) (map[string]any, error) {
	ctx := req.r.Context()
	instance, err := req.Source.Instance(ctx)
	if err != nil {
		return nil, err
	}
	principals, err := req.Source.Principals(ctx)
	if err != nil {
		return nil, err
	}
	accounts := serviceAccounts(principals)
	if found := named(principals, asked); len(found) == 1 && asked != defaultAccount {
		accounts[asked] = accounts[email(found[0])]
	}
	return map[string]any{
		"instance": map[string]any{
			"attributes": map[string]any{}, "hostname": instance.Name, "name": instance.Name,
			"zone":             "projects/" + instance.SubscriptionID + "/zones/" + instance.Location,
			"service-accounts": accounts,
		},
		"project":  map[string]any{"attributes": map[string]any{}, "project-id": instance.SubscriptionID},
		"universe": map[string]any{"universe-domain": "googleapis.com"},
	}, nil
}

// serviceAccounts are the identities by email, and the default one under the name default too.
func serviceAccounts(principals []host.Principal) map[string]any {
	all := map[string]any{}
	for _, p := range principals {
		all[email(p)] = serviceAccount(p)
	}
	if p, found := defaultPrincipal(principals); found {
		account := serviceAccount(p)
		account["aliases"] = []string{defaultAccount}
		all[email(p)], all[defaultAccount] = account, account
	}
	return all
}

func serviceAccount(p host.Principal) map[string]any {
	return map[string]any{
		"aliases": []string{}, "email": email(p), "scopes": []string{googleScope}, leafToken: tokenLeaf{}, leafIdentity: tokenLeaf{},
	}
}

// email names an identity as Google names a service account: by its client id, and by its tenant as the domain.
func email(p host.Principal) string { return p.ClientID + "@" + p.TenantID }

// defaultPrincipal is the identity of a token for which none is selected: the system-assigned one, else the only
// one.
func defaultPrincipal(principals []host.Principal) (host.Principal, bool) {
	for _, p := range principals {
		if id, err := arm.ParseID(p.ResourceID); err == nil && !id.Type().Is("Microsoft.ManagedIdentity/userAssignedIdentities") {
			return p, true
		}
	}
	if len(principals) == 1 {
		return principals[0], true
	}
	return host.Principal{}, false
}

// named returns the identities that a name selects: an email, a client id, an object id, or else the name of the
// identity's resource. Ids go first, because whoever creates an identity chooses its name, which may be the id of
// another one.
func named(principals []host.Principal, name string) (found []host.Principal) {
	for _, p := range principals {
		if arm.SameName(email(p), name) || arm.SameName(p.ClientID, name) || arm.SameName(p.ObjectID, name) {
			return []host.Principal{p}
		}
		if last := p.ResourceID[strings.LastIndexByte(p.ResourceID, '/')+1:]; last != "" && arm.SameName(last, name) {
			found = append(found, p)
		}
	}
	return found
}

// withoutTokens is a part of the tree as recursive answers have it.
func withoutTokens(at any) any {
	members, isFolder := at.(map[string]any)
	if !isFolder {
		return at
	}
	shown := make(map[string]any, len(members))
	for name, value := range members {
		if value != (any)(tokenLeaf{}) {
			shown[name] = withoutTokens(value)
		}
	}
	return shown
}

// flatText is a part of the tree as a recursive answer with alt=text: a line for each value, with its path.
func flatText(at any) string {
	var lines []string
	addLines(&lines, "", at)
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func addLines(lines *[]string, path string, at any) {
	add := func(value string) { *lines = append(*lines, strings.TrimPrefix(path+" "+value+"\n", " ")) }
	switch value := at.(type) {
	case string:
		add(value)
	case []string:
		for _, one := range value {
			add(one)
		}
	case map[string]any:
		for name, member := range value {
			addLines(lines, strings.TrimPrefix(path+"/"+name, "/"), member)
		}
	}
}
