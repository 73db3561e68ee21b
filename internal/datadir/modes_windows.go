package datadir

// protect does nothing, because files inherit the access rights of the folder and Windows has no file modes.
func protect(string) ([]string, error) { return nil, nil }
