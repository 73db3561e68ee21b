package metadata

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/host"
)

// Longer texts name nothing that could be known.
const (
	maxAudience = 1024
	maxSelector = 1600
)

// query reads the parameters of the URL. Names are compared without case; whoever repeats one is
// refused, because another reader of the same request might have taken the other value.
func (x *exchange) query() (map[string]string, error) { return parameters(x.r.URL.RawQuery) }

func parameters(raw string) (map[string]string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errQuery()
	}
	single := make(map[string]string, len(values))
	for name, all := range values {
		name = strings.ToLower(name)
		if _, repeated := single[name]; repeated || len(all) != 1 {
			return nil, errDuplicate()
		}
		single[name] = all[0]
	}
	return single, nil
}

// audience is the parameter "resource".
func audience(query map[string]string) (string, error) {
	a := query["resource"]
	if a == "" {
		return "", errNoAudience()
	}
	if len(a) > maxAudience || !utf8.ValidString(a) || strings.ContainsFunc(a, unicode.IsControl) {
		return "", errAudience()
	}
	return a, nil
}

// names are the parameters by which a protocol lets an identity be selected.
type names struct{ client, object, resource []string }

// selector reads them. An empty value selects nothing.
func (n names) selector(query map[string]string) (host.Selector, error) {
	var s host.Selector
	given := 0
	for _, kind := range []struct {
		params []string
		field  *string
	}{{n.client, &s.ClientID}, {n.object, &s.ObjectID}, {n.resource, &s.ResourceID}} {
		for _, param := range kind.params {
			if value := query[param]; value != "" {
				*kind.field = value
				given++
			}
		}
	}
	if given > 1 {
		return host.Selector{}, errExclusive()
	}
	if len(s.ClientID)+len(s.ObjectID)+len(s.ResourceID) > maxSelector {
		return host.Selector{}, errIdentity(nil)
	}
	return s, nil
}

// token gets what the parameters ask for, within the limit.
func (x *exchange) token(query map[string]string, by names) (*host.Token, error) {
	if !x.limiter.enter(x.Now()) {
		return nil, errLimit()
	}
	defer x.limiter.leave()
	a, err := audience(query)
	if err != nil {
		return nil, err
	}
	selector, err := by.selector(query)
	if err != nil {
		return nil, err
	}
	t, err := x.Source.Token(x.r.Context(), selector, a)
	if err != nil {
		return nil, err
	}
	x.ev.Caller = t.Principal.ObjectID
	return t, nil
}
