package rbac

// Match compiles a pattern and matches a folded action, so that the tests can look at one pattern
// rather than at a whole role.
func Match(p, action string) bool {
	compiled := compile(p)
	return compiled.match(action)
}

// Allows reports whether a definition allows a folded action.
func Allows(d Definition, action string) bool { return compileRole(d).allows(action) }
