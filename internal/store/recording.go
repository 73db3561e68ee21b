package store

// recording collects the reads of a value that is being computed.
type recording struct {
	parts  []*life
	from   Revision // since when all parts are current
	failed bool     // a read is not in the cache, so the value cannot be there either
}

// read adds an entry that is current since a revision. The reads of a value of another Memo are added one by one.
func (r *recording) read(e *entry, from Revision) {
	r.from = max(r.from, from)
	if e.memo != nil {
		r.parts = append(r.parts, e.memo.parts...)
		return
	}
	r.parts = append(r.parts, e.life)
}

// add adds all reads of an inner recording.
func (r *recording) add(inner *recording) {
	r.parts, r.from = append(r.parts, inner.parts...), max(r.from, inner.from)
	r.failed = r.failed || inner.failed
}
