package login

import "midas/internal/directory"

// ParseForm gives what is read of a form, in the order grant_type, client_id, client_secret,
// client_assertion_type, client_assertion, scope, resource.
func ParseForm(body string) ([7]string, error) {
	f, err := parseForm(body)
	return [7]string{f.grantType, f.clientID, string(f.clientSecret), f.assertionType, string(f.assertion), f.scope, f.resource}, err
}

// AudienceOf and Plausible are the two halves of reading a scope.
func AudienceOf(scope string) (string, error) { return audienceOf(scope) }
func Plausible(audience string) bool          { return plausible(audience) }

// FindRedirect reports whether a redirect URI is among the registered ones.
func FindRedirect(r directory.Redirects, asked string) bool {
	_, found := findRedirect(r, asked)
	return found
}

// Assertions is how many client assertions are remembered.
func (h *Handler) Assertions() int {
	h.assertions.mu.Lock()
	defer h.assertions.mu.Unlock()
	return len(h.assertions.used)
}

// Isolated is how pages show a name.
func Isolated(name, otherwise string) string { return isolated(name, otherwise) }
