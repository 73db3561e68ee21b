package odata

// Expr is a filter that was read. The zero value always holds.
type Expr struct {
	term *Term  // of a leaf
	any  bool   // one of the parts must hold, not all
	not  bool   // the only part must not hold
	of   []Expr // the parts
}

// Holds evaluates the filter. It calls test for the terms that decide.
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

// Required gives the terms without which the filter cannot hold: the filter itself, or the terms that
// "and" joins outside of parentheses.
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
