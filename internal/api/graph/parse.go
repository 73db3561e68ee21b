package graph

import (
	"errors"
	"net/http"
	"strings"

	"midas/internal/odata"
)

// grammar defines the operators and the limits of $filter. The limits are far above the filters that clients
// send.
var grammar = odata.Grammar{
	Or: true, Not: true, In: true, Any: true, AnyCase: true, Functions: []string{"startswith", "endswith"},
	MaxFilter: 6 << 10, MaxTerms: 64,
}

// parseFilter reads a $filter. fits checks later whether its properties exist.
func parseFilter(s string) (*filter, error) {
	if strings.Trim(s, " ") == "" {
		return nil, errFilter("")
	}
	f := &filter{}
	expr, err := grammar.Parse(s, func(t odata.Term) error {
		if !isCondition(t) {
			return errFilter(t.Name)
		}
		f.terms = append(f.terms, t)
		return nil
	})
	var syntax *odata.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, errFilter(s[min(syntax.Offset, len(s)):])
	case err != nil:
		return nil, err
	}
	f.expr = expr
	return f, nil
}

// isCondition reports whether Graph supports this kind of condition.
func isCondition(t odata.Term) bool {
	switch t.Op {
	case odata.Call:
		return false
	case "startswith", "endswith":
		return t.Quoted
	}
	return !t.Any || t.Op == "eq"
}

func errFilter(rest string) error {
	return errorf(http.StatusBadRequest, "Request_UnsupportedQuery", "Invalid filter clause: syntax error or unsupported expression at '%s'.", clip(rest))
}
