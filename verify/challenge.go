package verify

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// refusal is the body of an answer to a request that was refused.
type refusal struct {
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description"`
}

// refuse answers a request that Verify has refused. The description is the fixed text of the reason, and for
// ErrForbidden the requirement, which the service has chosen. Nothing of the token is repeated.
func (s *state) refuse(w http.ResponseWriter, err error) {
	status, answer := HTTPStatus(err), refusal{Error: code(err), Description: ErrUnavailable.Error()}
	if reason := describe(err); reason != nil {
		answer.Description = reason.Error()
	}
	var requirement *RequirementError
	if errors.As(err, &requirement) {
		answer.Description = requirement.Error()
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	} else {
		h.Set("WWW-Authenticate", s.challenge(answer, requirement))
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client may be gone
}

// challenge is the value of WWW-Authenticate (RFC 6750, 3). It has no error code if there was no token.
func (s *state) challenge(answer refusal, requirement *RequirementError) string {
	var b strings.Builder
	b.WriteString(`Bearer realm="` + printable(s.realm) + `"`)
	if answer.Error == "" {
		return b.String()
	}
	b.WriteString(`, error="` + answer.Error + `", error_description="` + printable(answer.Description) + `"`)
	if requirement != nil && len(requirement.Scopes) > 0 {
		b.WriteString(`, scope="` + printable(strings.Join(requirement.Scopes, " ")) + `"`)
	}
	return b.String()
}

// printable replaces the characters that a description must not have (RFC 6750, 3): quotes, backslashes, and all
// that is not printable ASCII.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '"' || c == '\\':
			return '\''
		case c < ' ' || c > '~':
			return '?'
		}
		return c
	}, text)
}
