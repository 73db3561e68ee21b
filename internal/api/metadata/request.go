package metadata

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/arm"
	"midas/internal/host"
)

// Longer texts name nothing that could be known.
const (
	maxAudience = 1024
	maxSelector = 1600
)

// query are the parameters of a request. Requests have a handful, for which no map is needed.
type query []struct{ name, value string }

// maxParameters is more than any client sends.
const maxParameters = 32

// get gives the value of a parameter; empty if there is none.
func (q query) get(name string) string {
	for _, p := range q {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// query reads the parameters of the URL. Names are compared without case; whoever repeats one is
// refused, because another reader of the same request might have taken the other value.
func (req *request) query() (query, error) { return parameters(req.r.URL.RawQuery) }

// parameters reads what url.ParseQuery would.
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

// audience is the parameter "resource".
func audience(q query) (string, error) {
	a := q.get("resource")
	if a == "" {
		return "", errNoAudience()
	}
	if len(a) > maxAudience || !utf8.ValidString(a) || strings.ContainsFunc(a, unicode.IsControl) {
		return "", errAudience()
	}
	return a, nil
}

// selectorNames are the parameters by which a protocol lets an identity be selected.
type selectorNames struct{ client, object, resource []string }

// selector reads them. An empty value selects nothing.
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

// token gets what the parameters ask for, within the limit.
func (req *request) token(q query, by selectorNames) (*host.Token, error) {
	if !req.limiter.pass(req.Now()) {
		return nil, errLimit()
	}
	a, err := audience(q)
	if err != nil {
		return nil, err
	}
	selector, err := by.selector(q)
	if err != nil {
		return nil, err
	}
	t, err := req.find(selector, a)
	if err != nil {
		return nil, err
	}
	req.ev.Caller = t.Principal.ObjectID
	return t, nil
}

// find gets a token. Only where memory has none does the request count among those that wait: while
// the server is silent, these would otherwise take the places of requests that need not wait.
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
