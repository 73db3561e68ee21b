package serve

import (
	"errors"
	"io"
	"net"
	"slices"
)

// Resources are the open resources of a process, in the order in which they were opened. The zero value is
// ready for use. It is not safe for concurrent use.
type Resources struct{ opened []io.Closer }

// Add adds resources that Release closes.
func (r *Resources) Add(c ...io.Closer) { r.opened = append(r.opened, c...) }

// Release closes the resources in reverse order and returns all errors. A listener that is closed already is not
// an error. Further calls do nothing.
func (r *Resources) Release() error {
	opened := r.opened
	r.opened = nil
	var errs []error
	for _, c := range slices.Backward(opened) {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
