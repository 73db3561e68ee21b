package condition

// Steps returns how many steps an evaluation takes.
func Steps(c *Condition, q Query) int {
	e := evaluation{query: &q, steps: maxSteps}
	e.evaluate(&c.root)
	return maxSteps - e.steps
}

// MaxSteps is the limit of Steps.
const MaxSteps = maxSteps
