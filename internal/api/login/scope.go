package login

import (
	"slices"
	"strings"

	"midas/internal/directory"
)

// graph is the resource of scopes without a resource.
const graph = "https://graph.microsoft.com"

// wholeResource is the scope name that stands for all permissions granted at a resource.
const wholeResource = ".default"

// graphDefault returns the permissions of Microsoft's own clients at Graph with .default.
func graphDefault() []string {
	return []string{"AuditLog.Read.All", "Directory.AccessAsUser.All", "email", "Group.ReadWrite.All", "openid", "profile", "User.ReadWrite.All"}
}

// openID reports whether a scope is one of OpenID Connect, which belong to no resource.
func openID(scope string) bool {
	switch scope {
	case "openid", "profile", "email", "offline_access":
		return true
	}
	return false
}

// scopes are the scopes that a client asks for: of one resource, and of OpenID Connect.
type scopes struct {
	audience string
	names    []string // the resource's scopes, without the resource: User.Read
	asked    []string // all scopes, in the client's spelling
	openID   bool     // the client gets an id_token
	offline  bool     // the client gets a refresh token
}

// maxScope is the longest scope parameter, in bytes. The records of device codes and refresh tokens
// contain it.
const maxScope = 4 << 10

// parseScopes parses the scope parameter. All scopes must be of one resource, because a token has one
// audience.
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
	if !plausible(s.audience) || len(storedScope(s)) > maxScope {
		return scopes{}, errScope(text)
	}
	return s, nil
}

// scopesOf returns the scopes of a v1.0 request for a resource: .default, an id_token and a refresh token.
func scopesOf(resource string) scopes {
	return scopes{
		audience: resource, names: []string{wholeResource}, asked: []string{resource + defaultScope},
		openID: true, offline: true,
	}
}

// splitScope splits a scope into resource and name.
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

// scopeToken reports whether a name is a valid scope-token of at most 256 bytes (RFC 6749, 3.3).
func scopeToken(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return len(name) <= 256
}

// atGraph reports whether the resource is Microsoft Graph.
func (s scopes) atGraph() bool {
	return strings.TrimSuffix(s.audience, "/") == graph || s.audience == directory.GraphAppID
}

// whole reports whether the client asks for .default.
func (s scopes) whole() bool { return slices.Contains(s.names, wholeResource) }

// basic returns the scopes of OpenID Connect that the client asks for, including those that the v1.0
// endpoint adds.
func (s scopes) basic() []string {
	var all []string
	for _, one := range strings.Fields(storedScope(s)) {
		if openID(one) {
			all = union(all, []string{one})
		}
	}
	return all
}

// firstParty returns the scp claim of Microsoft's own clients: all scopes that they ask for.
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

// echo returns the scope of the answer: the requested scopes in the client's spelling, because clients
// compare them, and the permissions that .default stands for.
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

// storedScope returns the scopes as text for a grant. parseScopes reads the same scopes from it.
func storedScope(s scopes) string {
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
