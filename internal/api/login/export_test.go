package login

import (
	"crypto/sha256"
	"fmt"
	"time"

	"midas/internal/directory"
)

// ParseForm returns the fields of a form in the order grant_type, client_id, client_secret,
// client_assertion_type, client_assertion, scope, resource.
func ParseForm(body string) ([7]string, error) {
	f, err := parseForm(body)
	return [7]string{f.grantType, f.clientID, string(f.clientSecret), f.assertionType, string(f.assertion), f.scope, f.resource}, err
}

// AudienceOf and Plausible are the two steps of reading a scope.
func AudienceOf(scope string) (string, error) { return audienceOf(scope) }
func Plausible(audience string) bool          { return plausible(audience) }

// FindRedirect reports whether a redirect URI is among the registered ones.
func FindRedirect(r directory.Redirects, asked string) bool {
	_, found := findRedirect(r, asked)
	return found
}

// Assertions returns the number of client assertions that are remembered.
func (h *Handler) Assertions() int {
	all := &h.tokens.assertions
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.total
}

// SetMaxAssertions sets how many client assertions are remembered.
func (h *Handler) SetMaxAssertions(n int) { h.tokens.assertions.limit = n }

// SetDeviceWait sets the interval between two polls of a device.
func (h *Handler) SetDeviceWait(d time.Duration) { h.tokens.deviceWait = d }

// Isolated returns a name as pages display it.
func Isolated(name, otherwise string) string { return isolated(name, otherwise) }

// AssertionMemory is the table of used client assertions.
type AssertionMemory struct{ assertions }

// First uses the assertion with a number of an application, valid for ten minutes, and reports whether it is allowed.
func (m *AssertionMemory) First(app string, number int, from string, now time.Time, limit int) bool {
	m.limit = limit
	_, first := m.first(use{
		app: app, id: sha256.Sum256(fmt.Append(nil, app, number)), address: from, until: now.Add(10 * time.Minute),
	}, now)
	return first
}

// Len returns the number of assertions in the table.
func (m *AssertionMemory) Len() (n int) {
	for _, app := range m.apps {
		n += len(app.used)
	}
	return n
}
