package graph

import (
	"strings"

	"midas/internal/arm"
)

// search is a $search: clauses such as "displayName:word", joined by AND or by OR.
type search struct {
	clauses []clause
	or      bool
}

type clause struct{ name, word string }

// parseSearch reads a $search. Each clause stands in double quotes.
func parseSearch(s string) (*search, error) {
	bad := errUnsupported("The $search expression is not valid: it has clauses in double quotes such as \"displayName:word\", joined by AND or OR.")
	var found search
	joins := map[string]bool{}
	for rest := strings.TrimSpace(s); ; {
		inner, after, closed := strings.Cut(strings.TrimPrefix(rest, `"`), `"`)
		name, word, colon := strings.Cut(inner, ":")
		if !strings.HasPrefix(rest, `"`) || !closed || !colon || word == "" || len(found.clauses) == 16 {
			return nil, bad
		}
		found.clauses = append(found.clauses, clause{name, word})
		rest = strings.TrimSpace(after)
		if rest == "" {
			break
		}
		join, tail, _ := strings.Cut(rest, " ")
		if join != "AND" && join != "OR" {
			return nil, bad
		}
		joins[join], rest = true, strings.TrimSpace(tail)
	}
	if len(joins) > 1 {
		return nil, bad
	}
	found.or = joins["OR"]
	return &found, nil
}

func (s *search) fits(typ string, uses func(string) (use, bool)) error {
	for _, c := range s.clauses {
		if u, known := uses(c.name); !known || u != text {
			return errUnsupported("Property '%s' of type '%s' cannot be searched.", clip(c.name), typ)
		}
	}
	return nil
}

func (s *search) holds(value func(string) any) bool {
	for _, c := range s.clauses {
		v, _ := value(c.name).(string)
		if strings.Contains(arm.Fold(v), arm.Fold(c.word)) == s.or {
			return s.or
		}
	}
	return !s.or
}
