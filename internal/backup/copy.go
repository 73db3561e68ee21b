package backup

import (
	"context"
	"io"
)

// Progress is called with the state of a long work from time to time: after every progressEvery records and at the
// end. It may be nil.
type Progress func(Summary)

const progressEvery = 4096

func (p Progress) after(s Summary) {
	if p != nil && s.Records%progressEvery == 0 {
		p(s)
	}
}

func (p Progress) end(s Summary) {
	if p != nil {
		p(s)
	}
}

// Copy copies a backup and checks its form on the way. It returns an error for an incomplete one.
func Copy(to io.Writer, from io.Reader, progress Progress) (Summary, error) {
	out := &target{to: to}
	done, err := each(context.Background(), io.TeeReader(from, out), progress, func(Entry) error { return nil })
	if out.err != nil {
		return done, out.err // the Reader calls it an error of reading
	}
	return done, err
}

// target keeps the first error of a Writer.
type target struct {
	to  io.Writer
	err error
}

func (t *target) Write(p []byte) (int, error) {
	n, err := t.to.Write(p)
	if err != nil && t.err == nil {
		t.err = err
	}
	return n, err
}
