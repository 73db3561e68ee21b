package graph

// Operations returns the rows of the table.
func (h *Handler) Operations() []Operation { return h.table.operations }

// Enforced reports whether an operation needs an app role of Microsoft Graph.
func Enforced(role string) bool { return appRolePrivileges(role) != 0 }

// ParseFilter, ParseSearch and ParsePath export the parsers for fuzzing.
func ParseFilter(s string) (holds func(value func(string) any) bool, err error) {
	f, err := parseFilter(s)
	if err != nil {
		return nil, err
	}
	return f.holds, f.fits("user", func(string) (use, bool) { return text, true })
}

func ParseSearch(s string) error {
	_, err := parseSearch(s)
	return err
}

func ParsePath(escaped string) (segments []string, err error) {
	p, err := parsePath(escaped)
	for _, s := range p.segments {
		segments = append(segments, s.text)
	}
	return segments, err
}
