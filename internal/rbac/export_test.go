package rbac

// Match reports whether a pattern matches a folded action.
func Match(p, action string) bool {
	compiled := compile(p)
	return compiled.match(action)
}

// Allows reports whether a definition allows a folded action.
func Allows(d Definition, action string) bool { return compileRole(d).allows(action, false) }
