package login

import (
	"slices"
	"strings"

	"midas/internal/directory"
)

// graph is the resource of scopes that name none.
const graph = "https://graph.microsoft.com"

// wholeResource is the name by which a client asks for all that it was granted at a resource.
const wholeResource = ".default"

// graphDefault is what Microsoft's own clients get at Graph when they do not say more.
func graphDefault() []string {
	return []string{"AuditLog.Read.All", "Directory.AccessAsUser.All", "email", "Group.ReadWrite.All", "openid", "profile", "User.ReadWrite.All"}
}

// openID reports whether a scope is one of OpenID Connect's, which belong to no resource.
func openID(scope string) bool {
	switch scope {
	case "openid", "profile", "email", "offline_access":
		return true
	}
	return false
}

// scopes is what a client wants to do for a user: at one resource, and with OpenID Connect.
type scopes struct {
	audience string
	names    []string // of the resource's scopes, without it: User.Read
	asked    []string // all, as the client has spelled them
	openID   bool     // an id_token
	offline  bool     // a refresh token
}

// maxScope bounds what is kept of scopes, in bytes. Device codes and refresh tokens keep it in the store.
const maxScope = 4 << 10

// parseScopes reads the scope parameter. All scopes must be of one resource, because one token is for
// one resource.
func parseScopes(text string) (scopes, error) {
	var s scopes
	for one := range strings.FieldsSeq(text) {
		s.asked = append(s.asked, one)
		if openID(one) {
			s.openID = s.openID || one == "openid"
			s.offline = s.offline || one == "offline_access"
			continue
		}
		resource, name := splitScope(one)
		switch {
		case resource == "" || name == "" || !scopeToken(name):
			return scopes{}, errScope(one)
		case s.audience != "" && s.audience != resource:
			return scopes{}, errTwoResources(text)
		}
		s.audience = resource
		s.names = append(s.names, name)
	}
	if len(s.asked) == 0 {
		return scopes{}, errScope(text)
	}
	if s.audience == "" {
		s.audience = graph
	}
	if !plausible(s.audience) || len(keep(s)) > maxScope {
		return scopes{}, errScope(text)
	}
	return s, nil
}

// scopesOf are those of a whole resource, as the first version asks for it. It always gives an
// id_token and a refresh token.
func scopesOf(resource string) scopes {
	return scopes{
		audience: resource, names: []string{wholeResource}, asked: []string{resource + defaultScope},
		openID: true, offline: true,
	}
}

// splitScope tells a scope's resource from its name.
func splitScope(scope string) (resource, name string) {
	if resource, found := strings.CutSuffix(scope, defaultScope); found {
		return resource, wholeResource
	}
	i := strings.LastIndexByte(scope, '/')
	if i < 0 {
		return graph, scope
	}
	return scope[:i], scope[i+1:]
}

// scopeToken reports whether a name has only the characters that a scope may have (RFC 6749, 3.3).
func scopeToken(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return len(name) <= 256
}

// atGraph reports whether the resource is Microsoft Graph, which answers who the user is.
func (s scopes) atGraph() bool {
	return strings.TrimSuffix(s.audience, "/") == graph || s.audience == directory.GraphAppID
}

// whole reports whether the client asks for all that it was granted at the resource.
func (s scopes) whole() bool { return slices.Contains(s.names, wholeResource) }

// basic gives the permissions of OpenID Connect that the client asks for, and those that the endpoint
// without version gives without being asked.
func (s scopes) basic() []string {
	var all []string
	for _, one := range strings.Fields(keep(s)) {
		if openID(one) {
			all = union(all, []string{one})
		}
	}
	return all
}

// firstParty is the scp of the access tokens of Microsoft's own clients: all that they ask for.
func (s scopes) firstParty() []string {
	var all []string
	for _, name := range s.names {
		switch {
		case name != wholeResource:
			all = union(all, []string{name})
		case s.atGraph():
			all = union(all, graphDefault())
		default:
			all = union(all, []string{directory.UserImpersonation})
		}
	}
	if s.atGraph() {
		for _, one := range s.asked {
			if openID(one) && one != directory.ScopeOfflineAccess {
				all = union(all, []string{one})
			}
		}
	}
	return all
}

// echo is the scope of the answer: what was asked for in the client's own spelling, because clients
// compare, and what the whole of a resource has turned out to be.
func (s scopes) echo(granted []string) string {
	var all []string
	for _, one := range s.asked {
		if one != directory.ScopeOfflineAccess && !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	if s.whole() {
		for _, name := range granted {
			if full := s.audience + "/" + name; !openID(name) && !slices.Contains(all, full) {
				all = append(all, full)
			}
		}
	}
	return strings.Join(all, " ")
}

// keep is what is remembered of scopes, so that parseScopes reads the same again.
func keep(s scopes) string {
	all := slices.Clone(s.asked)
	for _, one := range []struct {
		wanted bool
		scope  string
	}{{s.openID, "openid"}, {s.offline, "offline_access"}} {
		if one.wanted && !slices.Contains(all, one.scope) {
			all = append(all, one.scope)
		}
	}
	return strings.Join(all, " ")
}
