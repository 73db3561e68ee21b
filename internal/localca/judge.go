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

// unfit says why a certificate cannot be used now and for some time to come; it is empty if it can.
// Its begin is judged as well as its end, because the clock may have been ahead when it was issued.
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

// LogTo makes the authority say why it issues certificates anew, also what it did when it was opened. It
// must be called before anything else uses the authority.
func (c *CA) LogTo(log *slog.Logger) {
	c.log = log.With("authority", c.Path())
	for _, why := range c.notes {
		c.log.Warn("the certificate of the authority was issued anew, over the same key", "cause", why)
	}
	c.notes = nil
}

// Judge issues the authority's certificate anew, over the same key and under the same name, when it is
// not valid now and for some time to come. It is cheap when there is nothing to do. An error says that the
// certificate could not be written to its file; it is used nevertheless, and Judge tries again.
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
		return nil // another was faster
	}
	err := c.issueAuthority(permitted(cert), atomicfile.Write)
	c.unkept = err != nil
	if why != "" {
		c.log.Warn("the certificate of the authority was issued anew, over the same key", "cause", why)
	}
	return err
}

// use judges the authority before its certificate is used. That it could not be written is for Run to say.
func (c *CA) use() {
	if unfit(c.cert.Load(), authorityRenew, c.now()) != "" {
		_ = c.Judge()
	}
}

// writing reports whether the certificate's file has still to be written.
func (c *CA) writing() bool {
	c.issuing.Lock()
	defer c.issuing.Unlock()
	return c.unkept
}

// JudgeEvery is how often authorities should be judged while they are in use.
const JudgeEvery = time.Minute

// Run judges authorities until ctx ends.
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
