package condition

import (
	"strings"

	"midas/internal/arm"
)

// maxSteps limits the work of one evaluation: comparisons of two values, and bytesPerStep bytes of their texts. So
// the longest condition with the longest lists takes milliseconds.
const (
	maxSteps     = 1 << 18
	bytesPerStep = 16
)

// evaluation is one evaluation of a condition.
type evaluation struct {
	query *Query
	steps int // that are left
}

func (e *evaluation) evaluate(x *expression) Result {
	switch x.kind {
	case kindAnd:
		return e.join(x.operands, False)
	case kindOr:
		return e.join(x.operands, True)
	case kindNot:
		r := e.evaluate(&x.operands[0])
		if r.Outcome != CannotEvaluate {
			r.Outcome = False + True - r.Outcome
		}
		return r
	case kindActionMatches:
		return Result{Outcome: outcome(matchesAny(x, e.query.Action))}
	case kindSubOperationMatches:
		return Result{Outcome: outcome(e.query.SubOperation != "" && matchesAny(x, arm.Fold(e.query.SubOperation)))}
	case kindExists:
		return e.exists(x)
	}
	return e.compare(x)
}

// join evaluates operands until one has the decisive outcome: False for AND, True for OR.
func (e *evaluation) join(operands []expression, decisive Outcome) Result {
	result := Result{Outcome: False + True - decisive}
	for i := range operands {
		r := e.evaluate(&operands[i])
		if r.Outcome == decisive {
			return r
		}
		if result.Outcome != CannotEvaluate {
			result = r
		}
	}
	return result
}

// matchesAny reports whether a folded action matches one of the patterns.
func matchesAny(x *expression, folded string) bool {
	for i := range x.patterns {
		if x.patterns[i].Match(folded) {
			return true
		}
	}
	return false
}

// The attributes that do not come from Query.Attributes.
const (
	keyUtcNow       = "utcnow"
	keySubOperation = "suboperation" // the form of SubOperationMatches before 2022
)

// values returns the values of an operand; none if it is an absent attribute.
func (e *evaluation) values(o *Operand) []Value {
	switch {
	case !o.isAttribute:
		return o.values
	case o.source == Environment && o.key == keyUtcNow:
		if e.query.Now.IsZero() {
			return nil
		}
		return []Value{Time(e.query.Now)}
	case o.source == Request && o.key == keySubOperation:
		if e.query.SubOperation == "" {
			return nil
		}
		return []Value{Text(e.query.SubOperation)}
	}
	return e.query.Attributes.sources[o.source][o.key]
}

// exists evaluates Exists.
func (e *evaluation) exists(x *expression) Result {
	found := len(e.values(&x.left)) > 0
	if source := x.left.source; !found && e.query.Undecided && (source == Request || source == Resource) {
		return Result{cause: causeAbsentLeft, term: x}
	}
	return Result{Outcome: outcome(found)}
}

// compare evaluates a comparison.
func (e *evaluation) compare(x *expression) Result {
	left, right := e.values(&x.left), e.values(&x.right)
	one := x.quantifier == NoQuantifier
	switch {
	case len(left) == 0:
		return Result{cause: causeAbsentLeft, term: x}
	case len(right) == 0:
		return Result{cause: causeAbsentRight, term: x}
	case one && len(left) > 1:
		return Result{cause: causeManyLeft, term: x}
	case one && len(right) > 1:
		return Result{cause: causeManyRight, term: x}
	}
	all := x.quantifier.allLeft()
	is := all
	for _, value := range left {
		l, ok := e.prepare(value, x.operator)
		if !ok {
			return Result{cause: causeTypeLeft, term: x}
		}
		holds, fault := e.against(x, l, right)
		if fault != 0 {
			return Result{cause: fault, term: x}
		}
		if all {
			is = is && holds
		} else {
			is = is || holds
		}
	}
	return Result{Outcome: outcome(is)}
}

// against compares one value on the left with all on the right. It looks at all of them, so that a value of another type is
// found wherever it stands.
func (e *evaluation) against(x *expression, left Value, right []Value) (holds bool, fault cause) {
	all := x.quantifier.allRight()
	holds = all
	for i, value := range right {
		if e.steps--; e.steps < 0 {
			return false, causeSteps
		}
		r, ok := value, true
		if x.right.isAttribute {
			if r, ok = e.prepare(value, x.operator); !ok {
				return false, causeTypeRight
			}
		}
		var is bool
		if x.operator.relation == relLike {
			is = e.pattern(x, i, r).match(left.text, &e.steps)
		} else {
			is = x.operator.relation.holds(left, r)
			e.steps -= min(len(left.text), len(r.text)) / bytesPerStep
		}
		if is != x.operator.negated {
			holds = holds || !all
		} else {
			holds = holds && !all
		}
	}
	if e.steps < 0 { // a search for a pattern may have been given up
		return false, causeSteps
	}
	return holds, 0
}

// prepare gives a value of an attribute the form in which an operator compares.
func (e *evaluation) prepare(v Value, op *operator) (Value, bool) {
	v, ok := v.as(op.kind)
	if ok && op.ignoreCase {
		e.steps -= len(v.text) / bytesPerStep
		v.text = arm.Fold(v.text)
	}
	return v, ok
}

// pattern returns the pattern of a value on the right. The value of an attribute is a pattern, too.
func (e *evaluation) pattern(x *expression, i int, v Value) like {
	if !x.right.isAttribute {
		return x.right.patterns[i]
	}
	e.steps -= len(v.text)
	return compileLike(v.text, false) // it is folded already
}

// holds compares two values of the same type.
func (r relation) holds(left, right Value) bool {
	switch r {
	case relStartsWith:
		return strings.HasPrefix(left.text, right.text)
	case relEquals:
		return left.kind == right.kind && left.text == right.text && left.number == right.number && left.time.Equal(right.time)
	}
	order := left.compare(right)
	switch r {
	case relLess:
		return order < 0
	case relLessOrEqual:
		return order <= 0
	case relGreater:
		return order > 0
	case relGreaterOrEqual:
		return order >= 0
	}
	return false
}

// compare orders two numbers, or two times.
func (v Value) compare(other Value) int {
	switch {
	case v.kind == KindTime:
		return v.time.Compare(other.time)
	case v.number < other.number:
		return -1
	case v.number > other.number:
		return 1
	}
	return 0
}
