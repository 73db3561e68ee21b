package rbac

// Allows reports whether a definition allows a folded action.
func Allows(d Definition, action string) bool { return compileRole(d).allows(action, false) }
