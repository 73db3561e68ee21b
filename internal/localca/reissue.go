package localca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"midas/internal/clock"
)

// renewalCause returns the reason why a certificate must be replaced: it is not valid now or expires within
// spare. It returns "" if there is none. It checks NotBefore too, because the clock may have been ahead when
// the certificate was issued.
func renewalCause(cert *x509.Certificate, spare time.Duration, now time.Time) string {
	switch {
	case now.Before(cert.NotBefore):
		return "it is not valid before " + cert.NotBefore.Format(time.RFC3339) + ": the clock was ahead when it was issued, or is behind now"
	case now.After(cert.NotAfter):
		return "it expired at " + cert.NotAfter.Format(time.RFC3339)
	case now.After(cert.NotAfter.Add(-spare)):
		return "it expires at " + cert.NotAfter.Format(time.RFC3339)
	}
	return ""
}

// reissued is the log message for a new certificate of the authority.
const reissued = "the certificate of the authority was issued anew, with the same key"

// LogTo sets the logger and logs what has changed when the authority was opened. Call it
// before anything else uses the authority.
func (c *CA) LogTo(log *slog.Logger) {
	c.log = log.With("authority", c.Path())
	for _, note := range c.notes {
		c.log.Warn(note)
	}
	c.notes = nil
}

// ReissueIfDue reissues the authority's certificate with the same key and name if it is not valid now or expires
// soon. It is cheap if there is nothing to do. An error means that the certificate could not be stored;
// it is used nevertheless, and the next call tries again.
func (c *CA) ReissueIfDue() error {
	if renewalCause(c.cert.Load(), authorityRenew, c.now()) == "" && !c.writePending() {
		return nil
	}
	c.issuing.Lock()
	defer c.issuing.Unlock()
	if renewalCause(c.cert.Load(), authorityRenew, c.now()) == "" && !c.unwritten {
		return nil // another goroutine has done it
	}
	return c.reissue(context.Background())
}

// follow adopts a certificate that another replica has stored.
func (c *CA) follow(ctx context.Context) error {
	c.issuing.Lock()
	defer c.issuing.Unlock()
	return c.reissue(ctx)
}

// reissue updates the certificate from the storage, and its copy. If the storage cannot be read it makes a
// certificate in memory. The caller holds issuing.
func (c *CA) reissue(ctx context.Context) error {
	before := c.cert.Load()
	ctx, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	cause, err := c.update(ctx)
	if err != nil && c.cert.Load() == before {
		cert, fresh, why, issueErr := c.next(certificatePEM(before.Raw))
		if err = errors.Join(err, issueErr); fresh != nil {
			c.cert.Store(cert)
			cause = why
		}
	}
	if cause != "" {
		c.log.Warn(reissued, "cause", cause)
	}
	err = errors.Join(err, c.publish())
	c.unwritten = err != nil
	return err
}

// storageTimeout bounds an access to the storage, because handshakes wait for it.
const storageTimeout = 5 * time.Second

// ensureValid calls ReissueIfDue if the authority's certificate must be replaced. It is called before each
// use of the certificate. It ignores a failed write, which Run logs.
func (c *CA) ensureValid() {
	if renewalCause(c.cert.Load(), authorityRenew, c.now()) != "" {
		_ = c.ReissueIfDue()
	}
}

// writePending reports whether a write of the certificate's file has failed and must be repeated.
func (c *CA) writePending() bool {
	c.issuing.Lock()
	defer c.issuing.Unlock()
	return c.unwritten
}

// ReissueInterval is how often Run calls ReissueIfDue.
const ReissueInterval = time.Minute

// Run reissues the certificates of all authorities when they are due, and adopts those that other replicas have
// stored, every ReissueInterval until ctx ends.
func Run(ctx context.Context, log *slog.Logger, all ...*CA) error {
	failing := ""
	follow := func(ctx context.Context) {
		var errs []error
		for _, c := range all {
			if err := c.follow(ctx); err != nil && ctx.Err() == nil {
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
	}
	follow(ctx)
	clock.Every(ctx, ReissueInterval, follow)
	return nil
}
