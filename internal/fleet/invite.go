package fleet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/host"
	"midas/internal/localca"
	"midas/internal/store"
)

// Invitation lets one host be enrolled.
type Invitation struct {
	Resource string
	Token    host.Secret
	Ends     time.Time
}

// Invite makes an invitation for a resource. The secret is nowhere but in the answer.
func (f *Fleet) Invite(ctx context.Context, ev activity.Event, id arm.ID) (Invitation, error) {
	if !id.IsResource() {
		return Invitation{}, arm.Errorf(http.StatusBadRequest, "InvalidHostResource", "Hosts are of resources, and '%s' is none.", id)
	}
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return Invitation{}, fmt.Errorf("make an invitation: %w", err)
	}
	out := Invitation{
		Resource: id.String(), Token: host.Secret("mhe_" + base64.RawURLEncoding.EncodeToString(random)),
		Ends: f.Now().UTC().Add(InvitationLife),
	}
	err := f.Log.Update(ctx, ev, func(tx store.Tx) error {
		rec, err := f.Resources.Get(tx, id)
		if err != nil {
			return err
		}
		return invitations.Put(tx, invitationKey(out.Token), invitation{Resource: rec.ID, Made: made(rec), Ends: out.Ends})
	})
	return out, err
}

// The secret has 256 random bits: a plain hash of it can neither be reversed nor looked up.
func invitationKey(token host.Secret) string {
	sum := sha256.Sum256([]byte(token))
	return store.InvitationKind.Keys + hex.EncodeToString(sum[:])
}

// Enrollment is the result of Enroll and Renew.
type Enrollment struct {
	Host        Host
	Certificate []byte // in PEM
}

// Enroll exchanges an invitation for a certificate and a host record. The certificate request proves that the
// host has the key. If two hosts use the same invitation at the same time, one of them is enrolled.
func (f *Fleet) Enroll(ctx context.Context, token host.Secret, request []byte, address string) (Enrollment, error) {
	now := f.Now().UTC()
	h := Host{ID: f.NewID(), Enrolled: now, Address: address, Ends: now.Add(f.Life).Truncate(time.Second)}
	// A caller without an invitation must not cost more than a read, and an invalid certificate request
	// must not use up the invitation. So both are checked before anything is written.
	err := f.Store.View(ctx, func(tx store.Tx) error {
		_, err := f.invited(tx, token, now)
		return err
	})
	if err != nil {
		return Enrollment{}, err
	}
	if _, err := f.certify(h, request); err != nil {
		return Enrollment{}, err
	}
	_, err = f.Store.Update(ctx, func(tx store.Tx) error {
		inv, err := f.invited(tx, token, now)
		if err != nil {
			return err
		}
		tx.Delete(invitationKey(token))
		h.Resource, h.Made = inv.Resource, inv.Made
		rec, err := f.Resources.Get(tx, inv.id)
		if err != nil || made(rec) != inv.Made {
			return fmt.Errorf("%w: its resource is gone", ErrInvitation)
		}
		h.TenantID, h.id = rec.TenantID, inv.id
		if err := hosts.Put(tx, hostKey(h.id, h.ID), h); err != nil {
			return err
		}
		return f.Log.Append(tx, h.event(Type, "/write", address))
	})
	if err != nil {
		return Enrollment{}, err
	}
	certificate, err := f.certify(h, request)
	return Enrollment{Host: h, Certificate: certificate}, err
}

// invited finds an invitation that can still be used. In an Update that makes sure of it.
func (f *Fleet) invited(tx store.Tx, token host.Secret, now time.Time) (invitation, error) {
	inv, err := invitations.Get(tx, invitationKey(token))
	if err != nil {
		return invitation{}, err
	}
	if !now.Before(inv.Ends) {
		return invitation{}, ErrInvitation
	}
	return inv, nil
}

// Renew issues a certificate for a new key of a host.
func (f *Fleet) Renew(ctx context.Context, h Host, request []byte) (Enrollment, error) {
	ends := f.Now().UTC().Add(f.Life).Truncate(time.Second)
	_, err := f.Store.Update(ctx, func(tx store.Tx) error {
		current, err := f.host(tx, h.id, h.ID)
		if err != nil {
			return err
		}
		current.Ends = ends
		h = current
		return hosts.Put(tx, hostKey(h.id, h.ID), h)
	})
	if err != nil {
		return Enrollment{}, err
	}
	certificate, err := f.certify(h, request)
	return Enrollment{Host: h, Certificate: certificate}, err
}

func (f *Fleet) certify(h Host, request []byte) ([]byte, error) {
	certificate, err := f.Authority.Certify(request, h.ID, h.subject(), h.Ends)
	if errors.Is(err, localca.ErrRequest) {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return certificate, err
}

// subject is the URI in a host's certificate. It has the id of the resource, the creation time of the
// resource, and the id of the host.
func (h Host) subject() *url.URL {
	query := url.Values{"host": {h.ID}, "made": {strconv.FormatInt(h.Made, 10)}}
	return &url.URL{Scheme: subjectScheme, Host: subjectHost, Path: h.Resource, RawQuery: query.Encode()}
}

const (
	subjectScheme = "midas"
	subjectHost   = "host"
)

// event is an activity log event whose caller is the host.
func (h Host) event(typ arm.Type, verb, address string) activity.Event {
	return activity.Event{
		TenantID: h.TenantID, SubscriptionID: arm.Fold(h.id.Subscription()), ResourceGroup: h.id.ResourceGroup(),
		ResourceID: h.Resource + "/providers/" + string(typ) + "/" + h.ID, ResourceType: string(typ),
		Operation: string(typ) + verb, Status: activity.Succeeded, Caller: "host " + h.ID, ClientIP: address,
	}
}
