package serve

import (
	"errors"
	"io"
	"net"
	"slices"
)

// Resources are what a process has opened, in the order in which it did so. The zero value is ready for
// use. It is not safe for concurrent use.
type Resources struct{ opened []io.Closer }

// Add notes resources that Release closes.
func (r *Resources) Add(c ...io.Closer) { r.opened = append(r.opened, c...) }

// Release closes the resources, the last first, once. Listeners that their server has closed already are
// not an error.
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
