package management

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"midas/internal/arm"
)

// Query is the query of a request, in its order. Names of parameters compare without case, and
// clients spell them in several ways ($skiptoken, $skipToken), so the names are folded.
type Query []parameter

type parameter struct{ name, value string }

// parseQuery reads a query as url.ParseQuery does; a semicolon is an error there, too.
func parseQuery(raw string) (Query, error) {
	if raw == "" {
		return nil, nil
	}
	if strings.Contains(raw, ";") {
		return nil, errors.New("read the query: there is a semicolon in it")
	}
	query := make(Query, 0, strings.Count(raw, "&")+1)
	for one := range strings.SplitSeq(raw, "&") {
		if one == "" {
			continue
		}
		escapedName, escaped, _ := strings.Cut(one, "=")
		name, err := url.QueryUnescape(escapedName)
		if err != nil {
			return nil, fmt.Errorf("read the query: %w", err)
		}
		value, err := url.QueryUnescape(escaped)
		if err != nil {
			return nil, fmt.Errorf("read the query: %w", err)
		}
		query = append(query, parameter{arm.Fold(name), value})
	}
	return query, nil
}

// Get is the first value of a parameter, or empty.
func (q Query) Get(name string) string {
	i := slices.IndexFunc(q, func(p parameter) bool { return p.name == name })
	if i < 0 {
		return ""
	}
	return q[i].value
}

// All are the values of a parameter.
func (q Query) All(name string) (values []string) {
	for _, p := range q {
		if p.name == name {
			values = append(values, p.value)
		}
	}
	return values
}

// With is the query, encoded, with one parameter set to a value.
func (q Query) With(name, value string) string {
	values := make(url.Values, len(q)+1)
	for _, p := range q {
		values.Add(p.name, p.value)
	}
	values.Set(name, value)
	return values.Encode()
}
