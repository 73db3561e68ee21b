package oracle

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Witness compares the answers that the tests of a package see with Microsoft's files, and counts them.
// Without the files it checks nothing.
type Witness struct {
	// Least is how many answers of each provider a whole run must have checked, so that a run that checks
	// nothing does not pass.
	Least map[string]int

	open   sync.Once
	oracle *Oracle
	err    error

	mu   sync.Mutex
	seen map[string]int
}

// Oracle gives the oracle, or nil where the files are not there.
func (w *Witness) Oracle() (*Oracle, error) {
	w.open.Do(func() {
		if dir, present := Folder(); present {
			w.oracle, w.err = Open(filepath.Join(dir, "specs"))
		}
	})
	return w.oracle, w.err
}

// See gives an error that says what is wrong with an answer, if there are files that describe it.
func (w *Witness) See(a Answer) error {
	o, err := w.Oracle()
	if err != nil || o == nil {
		return err
	}
	op, err := o.Check(a)
	if err != nil && !errors.Is(err, ErrNotCovered) {
		return fmt.Errorf("%s %s is not as Microsoft's files have it: %w", a.Method, a.URL, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = map[string]int{}
	}
	w.seen[op.Provider]++
	return nil
}

// Run runs a package's tests, for its TestMain, and gives the code to exit with. A whole run that has
// seen too few answers fails.
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
