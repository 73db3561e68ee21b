package signin

// Label returns the label value of an identity.
func (l *Log) Label(oid string) string { return l.label(oid) }
