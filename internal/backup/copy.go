package backup

import (
	"errors"
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
	r, err := NewReader(io.TeeReader(from, to))
	if err != nil {
		return Summary{}, err
	}
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			progress.end(r.Summary)
			return r.Summary, nil
		}
		if err != nil {
			return r.Summary, err
		}
		progress.after(r.Summary)
	}
}
