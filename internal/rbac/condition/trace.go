package condition

// Term is what a term of a condition evaluates to, and the attributes that it has read.
type Term struct {
	Text       string  // in the language, such as ActionMatches{'Microsoft.Authorization/roleAssignments/write'}
	Outcome    Outcome // before a NOT in front of the term
	Reason     string  // why it cannot be evaluated
	Attributes []AttributeValues
}

// AttributeValues are the values of an attribute in an evaluation.
type AttributeValues struct {
	Name   string // with its source, such as @Request[Microsoft.Authorization/roleAssignments:PrincipalType]
	Values []Value
}

// Trace evaluates the condition, and each of its terms, even those that do not matter for the result. It is for
// explanations; Evaluate is faster.
func (c *Condition) Trace(q Query) (Result, []Term) {
	e := evaluation{query: &q, steps: maxSteps}
	terms := e.trace(&c.root, nil)
	return c.Evaluate(q), terms
}

func (e *evaluation) trace(x *expression, terms []Term) []Term {
	if x.kind == kindAnd || x.kind == kindOr || x.kind == kindNot {
		for i := range x.operands {
			terms = e.trace(&x.operands[i], terms)
		}
		return terms
	}
	r := e.evaluate(x)
	t := Term{Text: string(x.append(nil)), Outcome: r.Outcome, Reason: r.Reason()}
	for _, o := range [...]*Operand{&x.left, &x.right} {
		if o.isAttribute {
			t.Attributes = append(t.Attributes, AttributeValues{o.String(), e.values(o)})
		}
	}
	return append(terms, t)
}
