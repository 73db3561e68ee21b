package metadata

import (
	"strings"

	"midas/internal/arm"
	"midas/internal/host"
)

const (
	leafToken    = "token"
	leafIdentity = "identity"
)

// tokenLeaf stands in the tree for a value that is made for each request. Listings have its name, recursive
// answers leave it out.
type tokenLeaf struct{}

// googleScope is the scope of all service accounts. Libraries check it before they ask for a token.
const googleScope = "https://www.googleapis.com/auth/cloud-platform"

// tree is the tree of names, in which the account that is asked for is found under each of its names. The project is the subscription. The universe is the one that clients expect unless
// they are told another.
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
	if found := named(principals, asked); len(found) == 1 {
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
		account["aliases"] = []string{"default"}
		all[email(p)], all["default"] = account, account
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

// named returns the identities that a name selects: an email, a client id, an object id, or the name of the
// identity's resource.
func named(principals []host.Principal, name string) (found []host.Principal) {
	for _, p := range principals {
		last := p.ResourceID[strings.LastIndexByte(p.ResourceID, '/')+1:]
		for _, one := range []string{email(p), p.ClientID, p.ObjectID, last} {
			if one != "" && arm.SameName(one, name) {
				found = append(found, p)
				break
			}
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
