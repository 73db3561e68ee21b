// Package condition implements the language of conditions on role assignments and deny assignments: Azure's
// attribute-based access control (ABAC), versions 1.0 and 2.0.
//
// A condition is a logical expression whose terms test the action of a request or compare attributes:
//
//	!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})
//	OR
//	@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {acdd72a7-3385-48ef-bd42-f606fba81ae7}
//
// Parse checks and compiles a text once; Evaluate only reads memory. The logic has three values: a comparison
// whose attribute is absent, or has a value of another type, can be evaluated neither to true nor to false, and
// its negation cannot either. AND is false if one operand is false, OR is true if one operand is true, whatever
// the others are. So a missing attribute never makes a condition true.
package condition

// MaxLength is the length of the longest condition, in bytes. Azure documents 8 KB.
const MaxLength = 8192

// Condition is a parsed condition. It does not change and is safe for concurrent use.
type Condition struct {
	root expression
}

// Parse parses and compiles a condition. An error is a *SyntaxError with the place of the fault.
func Parse(text string) (*Condition, error) {
	p := parser{lexer: lexer{text: text}}
	root, fault := p.parse()
	if fault != nil {
		return nil, fault
	}
	return &Condition{root: root}, nil
}

// Evaluate evaluates the condition for a request. The time that it takes is bounded: an evaluation with more than
// maxSteps steps ends with CannotEvaluate.
func (c *Condition) Evaluate(q Query) Result {
	e := evaluation{query: &q, steps: maxSteps}
	return e.evaluate(&c.root)
}

// NeedsVersion2 reports whether the condition uses ActionMatches or SubOperationMatches, which the language has
// only from version 2.0 on.
func (c *Condition) NeedsVersion2() bool { return c.root.testsAction() }

// String returns the condition in a canonical form: with the documented spelling of operators, one space between
// words, and parentheses only where they matter. Parse reads it as the same condition.
func (c *Condition) String() string { return string(c.root.append(nil)) }
