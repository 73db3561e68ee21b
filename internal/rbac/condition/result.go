package condition

import "fmt"

// Outcome is what a condition or a part of it evaluates to.
type Outcome int

// The outcomes. The zero value grants nothing.
const (
	CannotEvaluate Outcome = iota
	False
	True
)

var outcomeNames = [...]string{"cannot be evaluated", "false", "true"}

// String returns "true", "false" or "cannot be evaluated".
func (o Outcome) String() string { return outcomeNames[o] }

// outcome returns True or False.
func outcome(is bool) Outcome {
	if is {
		return True
	}
	return False
}

// cause is why a term cannot be evaluated.
type cause byte

const (
	_ cause = iota
	causeAbsentLeft
	causeAbsentRight
	causeManyLeft
	causeManyRight
	causeTypeLeft
	causeTypeRight
	causeSteps
)

// Result is what a condition evaluates to.
type Result struct {
	Outcome Outcome

	cause cause
	term  *expression // that cannot be evaluated
}

// Reason says why the condition cannot be evaluated, such as "the attribute @Principal[x] is absent". It is empty if the
// condition is true or false.
func (r Result) Reason() string {
	if r.Outcome != CannotEvaluate || r.term == nil {
		return ""
	}
	left, right := r.term.left.String(), r.term.right.String()
	switch r.cause {
	case causeAbsentLeft:
		return fmt.Sprintf("the attribute %s is absent", left)
	case causeAbsentRight:
		return fmt.Sprintf("the attribute %s is absent", right)
	case causeManyLeft:
		return fmt.Sprintf("%s has several values, and %s compares one", left, r.term.operator.name)
	case causeManyRight:
		return fmt.Sprintf("%s has several values, and %s compares one", right, r.term.operator.name)
	case causeTypeLeft:
		return fmt.Sprintf("%s has a value that is not a %s", left, r.term.operator.kind)
	case causeTypeRight:
		return fmt.Sprintf("%s has a value that is not a %s", right, r.term.operator.kind)
	case causeSteps:
		return fmt.Sprintf("the evaluation takes more than %d steps", maxSteps)
	}
	return ""
}
