package odata

// Expr is a parsed filter. The zero value is always true.
type Expr struct {
	term *Term  // nil unless the expression is a single condition
	any  bool   // the parts are joined by "or", and otherwise by "and"
	not  bool   // the negation of the only part
	of   []Expr // the parts
}

// Holds evaluates the filter. It calls test for terms in their order until the result is known.
func (e Expr) Holds(test func(Term) bool) bool {
	if e.term != nil {
		return test(*e.term)
	}
	if e.not {
		return !e.of[0].Holds(test)
	}
	for _, part := range e.of {
		if part.Holds(test) == e.any {
			return e.any
		}
	}
	return !e.any
}

// Required returns terms that must hold for the filter to hold: the filter itself if it is a single term, or
// the terms that are joined by "and" outside of parentheses.
func (e Expr) Required() []Term {
	if e.term != nil {
		return []Term{*e.term}
	}
	if e.any || e.not {
		return nil
	}
	var all []Term
	for _, part := range e.of {
		if part.term != nil {
			all = append(all, *part.term)
		}
	}
	return all
}
