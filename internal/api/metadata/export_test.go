package metadata

// Parameters returns the parameters of a query string by name, or nil if it is refused.
func Parameters(raw string) map[string]string {
	q, err := parameters(raw)
	if err != nil {
		return nil
	}
	all := map[string]string{}
	for _, p := range q {
		all[p.name] = p.value
	}
	return all
}
