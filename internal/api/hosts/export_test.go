package hosts

// Label is the counter of an identity.
func (s *SignIns) Label(oid string) string { return s.label(oid) }
