package oracle

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Witness compares the answers in the tests of a package with Microsoft's files, and counts them. Without the
// files it checks nothing.
type Witness struct {
	// Least is the minimum number of answers of each provider that a whole run must check, so that a run
	// that checks nothing fails.
	Least map[string]int

	open   sync.Once
	oracle *Oracle
	err    error

	mu   sync.Mutex
	seen map[string]int
}

// Oracle returns the oracle, or nil if the files are missing.
func (w *Witness) Oracle() (*Oracle, error) {
	w.open.Do(func() {
		if dir, present := Folder(); present {
			w.oracle, w.err = Open(filepath.Join(dir, "specs"))
		}
	})
	return w.oracle, w.err
}

// See checks an answer, if a file describes its operation. The error describes the difference.
func (w *Witness) See(a Answer) error {
	o, err := w.Oracle()
	if err != nil || o == nil {
		return err
	}
	op, err := o.Check(a)
	if err != nil && !errors.Is(err, ErrNotCovered) {
		return fmt.Errorf("%s %s differs from Microsoft's files: %w", a.Method, a.URL, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = map[string]int{}
	}
	w.seen[op.Provider]++
	return nil
}

// Run runs a package's tests, for its TestMain, and returns the exit code. A whole run that has checked too few
// answers fails.
func (w *Witness) Run(m interface{ Run() int }) int {
	code := m.Run()
	if o, _ := w.Oracle(); o == nil || code != 0 || !wholeRun() {
		return code
	}
	for provider, least := range w.Least {
		if w.seen[provider] < least {
			fmt.Fprintf(os.Stderr, "only %d answers of %s were held against its files\n", w.seen[provider], provider)
			code = 1
		}
	}
	return code
}

func wholeRun() bool {
	for _, name := range []string{"run", "skip", "list", "fuzz", "bench"} {
		if flag.Lookup("test."+name).Value.String() != "" {
			return false
		}
	}
	return true
}
