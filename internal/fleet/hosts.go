package fleet

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/clock"
	"midas/internal/resource"
	"midas/internal/store"
)

// Authenticate returns the host of a client certificate that the TLS handshake has verified. The error is
// ErrUnknown for a host that was revoked, for an expired certificate, and for a host whose resource was
// deleted, also if a resource of the same name was created later. It is store.ErrUnavailable for a certificate from
// the future.
func (f *Fleet) Authenticate(ctx context.Context, certificate *x509.Certificate) (h Host, err error) {
	now := f.Now()
	if !clock.Begun(certificate.NotBefore, now) {
		// Another replica has issued it, so it is this replica's clock that is behind. Agents give up a host that is unknown.
		return Host{}, fmt.Errorf("%w: the certificate of a host begins at %s: is the clock of this server behind?", store.ErrUnavailable, certificate.NotBefore)
	}
	if now.After(certificate.NotAfter) {
		return Host{}, fmt.Errorf("%w: its certificate has expired", ErrUnknown) // on a connection that was opened earlier
	}
	if len(certificate.URIs) != 1 || certificate.URIs[0].Scheme != subjectScheme || certificate.URIs[0].Host != subjectHost {
		return Host{}, fmt.Errorf("%w: its certificate is not a host's", ErrUnknown)
	}
	subject := certificate.URIs[0]
	id, err := arm.ParseID(subject.Path)
	if err != nil {
		return Host{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	query := subject.Query()
	err = f.Store.Recent(ctx, func(tx store.Tx) error {
		if h, err = f.host(tx, id, query.Get("host")); err != nil {
			return err
		}
		if strconv.FormatInt(h.Made, 10) != query.Get("made") {
			return fmt.Errorf("%w: its certificate is for an earlier resource of this name", ErrUnknown)
		}
		return nil
	})
	return h, err
}

// host reads the record of a host and checks that the resource is still the one for which it was enrolled.
func (f *Fleet) host(tx store.Tx, id arm.ID, hostID string) (Host, error) {
	h, err := hosts.GetShared(tx, hostKey(id, hostID), &f.decoded)
	if err != nil {
		return Host{}, err
	}
	alive, err := f.alive(tx, h)
	if err == nil && !alive {
		err = fmt.Errorf("%w: its resource is gone", ErrUnknown)
	}
	return h, err
}

// alive reports whether the resource of a host exists.
func (f *Fleet) alive(tx store.Tx, h Host) (bool, error) {
	rec, err := f.Resources.Get(tx, h.id)
	var missing *arm.Error
	if errors.As(err, &missing) {
		return false, nil
	}
	return err == nil && made(rec) == h.Made && rec.State != resource.Deleting, err
}

// maxHosts is the maximum length of a list. A resource is one machine, so it rarely has more than one host.
const maxHosts = 100

// Hosts lists the hosts of a resource.
func (f *Fleet) Hosts(ctx context.Context, id arm.ID) (all []Host, err error) {
	err = f.Store.View(ctx, func(tx store.Tx) error {
		all = nil
		rec, err := f.Resources.Get(tx, id)
		if err != nil {
			return err
		}
		for kept, err := range tx.Scan(store.Range{Prefix: hostsOf(id), Limit: maxHosts}) {
			if err != nil {
				return fmt.Errorf("list the hosts of %s: %w", id, err)
			}
			h, err := f.decoded.Of(kept, hosts.Decode)
			if err != nil {
				return err
			}
			if h.Made == made(rec) {
				all = append(all, h)
			}
		}
		return nil
	})
	return all, err
}

// Revoke deletes a host's record, so that its certificate is refused from now on. It reports whether the host
// existed.
func (f *Fleet) Revoke(ctx context.Context, ev activity.Event, id arm.ID, hostID string) (existed bool, err error) {
	err = f.Log.Update(ctx, ev, func(tx store.Tx) error {
		key := hostKey(id, hostID)
		_, err := tx.Get(key)
		if existed = !errors.Is(err, store.ErrNotFound); !existed {
			return nil
		}
		tx.Delete(key)
		return err
	})
	return existed, err
}
