package metadata

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/arm"
	"midas/internal/host"
)

// The longest audience and the longest selector, in bytes. No application or identity has a longer name.
const (
	maxAudience = 1024
	maxSelector = 1600
)

// query has the parameters of a request. It is a slice, because requests have only a few parameters.
type query []struct{ name, value string }

// maxParameters is the largest number of parameters. No client sends so many.
const maxParameters = 32

// get returns the value of a parameter, or an empty text. The name must be in lower case.
func (q query) get(name string) string {
	for _, p := range q {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// query reads the parameters of the URL. Names are compared without case. A repeated name is refused, because
// another program that reads the same request might use the other value.
func (req *request) query() (query, error) { return parameters(req.r.URL.RawQuery) }

// parameters reads a query string as url.ParseQuery does, except that names are folded, and that repeated names
// and more than maxParameters are errors.
func parameters(raw string) (query, error) {
	q := make(query, 0, 4)
	for raw != "" {
		var part string
		if part, raw, _ = strings.Cut(raw, "&"); part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || strings.IndexByte(part, ';') >= 0 || len(q) == maxParameters {
			return nil, errQuery()
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, errQuery()
		}
		name = arm.Fold(name)
		for _, p := range q {
			if p.name == name {
				return nil, errDuplicate()
			}
		}
		q = append(q, struct{ name, value string }{name, value})
	}
	return q, nil
}

// audience returns the parameter "resource". It refuses values that cannot be an audience, and a scope, which
// clients send by mistake and for which Azure has no resource.
func audience(q query) (string, error) {
	a := q.get("resource")
	if a == "" {
		return "", errNoAudience()
	}
	return a, checkAudience(a)
}

// IsAudience reports whether there can be tokens for an audience: an empty or long one, one with control characters
// and a scope have none.
func IsAudience(a string) bool { return a != "" && checkAudience(a) == nil }

func checkAudience(a string) error {
	if len(a) > maxAudience || !utf8.ValidString(a) || strings.ContainsFunc(a, unicode.IsControl) {
		return errAudience()
	}
	if strings.HasSuffix(strings.TrimRight(arm.Fold(a), "/"), "/.default") {
		return errScopeAsAudience(a)
	}
	return nil
}

// selectorNames are the names of the parameters by which a protocol selects an identity.
type selectorNames struct{ client, object, resource []string }

// selector reads the parameters that select an identity. Empty values are ignored.
func (n selectorNames) selector(q query) (host.Selector, error) {
	var s host.Selector
	given := 0
	for _, kind := range []struct {
		params []string
		field  *string
	}{{n.client, &s.ClientID}, {n.object, &s.ObjectID}, {n.resource, &s.ResourceID}} {
		for _, param := range kind.params {
			if value := q.get(param); value != "" {
				*kind.field = value
				given++
			}
		}
	}
	if given > 1 {
		return host.Selector{}, errSeveralSelectors()
	}
	if len(s.ClientID)+len(s.ObjectID)+len(s.ResourceID) > maxSelector {
		return host.Selector{}, errIdentity(nil)
	}
	return s, nil
}

// token returns the token for the parameters. It refuses requests that exceed the limit.
func (req *request) token(q query, by selectorNames) (*host.Token, error) {
	if err := req.count(); err != nil {
		return nil, err
	}
	a, err := audience(q)
	if err != nil {
		return nil, err
	}
	selector, err := by.selector(q)
	if err != nil {
		return nil, err
	}
	return req.issue(selector, a)
}

// count counts a token request, whether its parameters are good or not, and refuses it if it exceeds the limit.
func (req *request) count() error {
	if !req.limiter.pass(req.Now()) {
		return errLimit()
	}
	return nil
}

// issue returns a token.
func (req *request) issue(selector host.Selector, audience string) (*host.Token, error) {
	t, err := req.find(selector, audience)
	if err != nil {
		return nil, err
	}
	req.ev.Caller = t.Principal.ObjectID
	return t, nil
}

// find returns a token. The request counts as waiting only if no token is cached: otherwise, while the server
// does not answer, waiting requests would use up the limit for requests that can be answered from memory.
func (req *request) find(selector host.Selector, audience string) (*host.Token, error) {
	t, known, err := req.Source.Recall(selector, audience)
	if known {
		return t, err
	}
	if t == nil {
		if !req.limiter.enter() {
			return nil, errLimit()
		}
		defer req.limiter.leave()
	}
	return req.Source.Token(req.r.Context(), selector, audience)
}
