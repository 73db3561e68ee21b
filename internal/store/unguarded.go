package store

// Unguarded runs fn on the revision that t reads. fn does not see the writes of t, and its reads are not guarded: a
// change of what it reads by another writer does not make t run again. It is for reads whose number has no limit, such
// as those that decide what a caller may do.
func Unguarded(t Tx, fn func(Tx) error) error {
	outside, ok := t.(*tx)
	if !ok || !outside.update {
		return fn(t)
	}
	reader := outside.reader()
	err := fn(reader)
	outside.stale = outside.stale || reader.stale
	return err
}
