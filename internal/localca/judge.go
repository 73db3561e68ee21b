package localca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"midas/internal/atomicfile"
)

// unfit is the reason why a certificate is not valid now or expires within spare; empty if it is valid. It
// checks NotBefore too, because the clock may have been ahead when the certificate was issued.
func unfit(cert *x509.Certificate, spare time.Duration, now time.Time) string {
	switch {
	case now.Before(cert.NotBefore):
		return "it is not valid before " + cert.NotBefore.Format(time.RFC3339) + ": the clock was ahead when it was issued, or is behind now"
	case now.After(cert.NotAfter):
		return "it has ended at " + cert.NotAfter.Format(time.RFC3339)
	case now.After(cert.NotAfter.Add(-spare)):
		return "it ends at " + cert.NotAfter.Format(time.RFC3339)
	}
	return ""
}

// LogTo sets the logger and logs why the authority reissued its certificate when it was opened. Call it
// before anything else uses the authority.
func (c *CA) LogTo(log *slog.Logger) {
	c.log = log.With("authority", c.Path())
	for _, why := range c.notes {
		c.log.Warn("the certificate of the authority was issued anew, over the same key", "cause", why)
	}
	c.notes = nil
}

// Judge reissues the authority's certificate with the same key and name if it is not valid now or expires
// soon. It is cheap if there is nothing to do. An error means that the certificate could not be written to
// its file; it is used nevertheless, and the next call tries again.
func (c *CA) Judge() error {
	now := c.now()
	if unfit(c.cert.Load(), authorityRenew, now) == "" && !c.writing() {
		return nil
	}
	c.issuing.Lock()
	defer c.issuing.Unlock()
	cert := c.cert.Load()
	why := unfit(cert, authorityRenew, now)
	if why == "" && !c.unkept {
		return nil // another goroutine has done it
	}
	err := c.issueAuthority(permitted(cert), atomicfile.Write)
	c.unkept = err != nil
	if why != "" {
		c.log.Warn("the certificate of the authority was issued anew, over the same key", "cause", why)
	}
	return err
}

// use calls Judge before the certificate is used. It ignores a failed write, which Run logs.
func (c *CA) use() {
	if unfit(c.cert.Load(), authorityRenew, c.now()) != "" {
		_ = c.Judge()
	}
}

// writing reports whether a write of the certificate's file has failed and must be repeated.
func (c *CA) writing() bool {
	c.issuing.Lock()
	defer c.issuing.Unlock()
	return c.unkept
}

// JudgeEvery is how often Run calls Judge.
const JudgeEvery = time.Minute

// Run calls Judge for all authorities every JudgeEvery until ctx ends.
func Run(ctx context.Context, log *slog.Logger, all ...*CA) error {
	tick := time.NewTicker(JudgeEvery)
	defer tick.Stop()
	failing := ""
	for {
		var errs []error
		for _, c := range all {
			if err := c.Judge(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", c.Path(), err))
			}
		}
		err := errors.Join(errs...)
		if err != nil && err.Error() != failing {
			log.ErrorContext(ctx, "the certificate of an authority could not be written, trying again every minute", "cause", err)
		}
		if failing = ""; err != nil {
			failing = err.Error()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
