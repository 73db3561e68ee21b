package fleet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
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

// EnrollmentToken is a secret with which one host can be enrolled for a resource.
type EnrollmentToken struct {
	Resource string
	Token    host.Secret
	Ends     time.Time
}

// NewEnrollmentToken creates an enrollment token for a resource. The store has only a hash of the secret. An event
// without a Guard is that of the server itself; see enrollmentToken.Own.
func (f *Fleet) NewEnrollmentToken(ctx context.Context, ev activity.Event, id arm.ID) (EnrollmentToken, error) {
	if !id.IsResource() {
		return EnrollmentToken{}, arm.Errorf(http.StatusBadRequest, "InvalidHostResource", "'%s' is not a resource id; a host can only be enrolled for a resource.", id)
	}
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return EnrollmentToken{}, fmt.Errorf("create an enrollment token: %w", err)
	}
	out := EnrollmentToken{
		Resource: id.String(), Token: host.Secret("mhe_" + base64.RawURLEncoding.EncodeToString(random)),
		Ends: f.Now().UTC().Add(EnrollmentTokenLifetime),
	}
	err := f.Log.Update(ctx, ev, func(tx store.Tx) error {
		rec, err := f.Resources.Get(tx, id)
		if err != nil {
			return err
		}
		return enrollmentTokens.Put(tx, enrollmentTokenKey(out.Token), enrollmentToken{Resource: rec.ID, Made: made(rec), Ends: out.Ends, Own: ev.Guard == nil})
	})
	return out, err
}

// enrollmentTokenKey is the store key of a token. The secret has 256 random bits, so a plain hash of it can
// neither be reversed nor guessed.
func enrollmentTokenKey(token host.Secret) string {
	sum := sha256.Sum256([]byte(token))
	return store.EnrollmentTokenKind.Keys + hex.EncodeToString(sum[:])
}

// Enrollment is the result of Enroll and Renew.
type Enrollment struct {
	Host        Host
	Certificate []byte // in PEM
}

// Enroll exchanges an enrollment token for a certificate and a host record. The certificate request proves that the
// host has the key. If two hosts use the same token at the same time, one of them is enrolled. A host that repeats a
// request, because it got no answer or an unclear one, gets a certificate for the same host record. A lock that was
// created after the token refuses it with ErrLocked; the token can be used when the lock is gone.
func (f *Fleet) Enroll(ctx context.Context, token host.Secret, request []byte, address string) (Enrollment, error) {
	now := f.Now().UTC()
	h := Host{ID: f.NewID(), Enrolled: now, Address: address, Ends: now.Add(f.CertificateLifetime).Truncate(time.Second)}
	// A caller without a token must not cost more than a read, and an invalid certificate request
	// must not use up the token. So both are checked before anything is written.
	err := f.Store.View(ctx, func(tx store.Tx) error {
		_, err := f.usableToken(tx, token, now)
		return err
	})
	if err != nil {
		return Enrollment{}, err
	}
	draft, err := f.certify(h, request)
	if err != nil {
		return Enrollment{}, err
	}
	key, err := keyOf(draft)
	if err != nil {
		return Enrollment{}, err
	}
	_, err = f.Store.Update(ctx, func(tx store.Tx) error {
		stored, err := f.usableToken(tx, token, now)
		if err != nil {
			return err
		}
		if stored.Used != nil {
			h, err = f.enrolled(tx, stored, key)
			return err
		}
		used := stored
		used.Ends, used.Used = now, &tokenUse{Host: h.ID, Key: key, Until: stored.Ends}
		if err := enrollmentTokens.Put(tx, enrollmentTokenKey(token), used); err != nil {
			return err
		}
		return f.admit(tx, stored, &h)
	})
	if err != nil {
		return Enrollment{}, err
	}
	certificate, err := f.certify(h, request)
	return Enrollment{Host: h, Certificate: certificate}, err
}

// admit stores the record of a new host for the resource of a token.
func (f *Fleet) admit(tx store.Tx, token enrollmentToken, h *Host) error {
	if f.Locked != nil && !token.Own {
		if err := f.Locked(tx, token.id); err != nil {
			return fmt.Errorf("%w: %w", ErrLocked, err)
		}
	}
	h.Resource, h.Made = token.Resource, token.Made
	rec, err := f.Resources.Get(tx, token.id)
	if err != nil || made(rec) != token.Made {
		return fmt.Errorf("%w: its resource is gone", ErrEnrollmentToken)
	}
	h.TenantID, h.id = rec.TenantID, token.id
	if err := hosts.Put(tx, hostKey(h.id, h.ID), *h); err != nil {
		return err
	}
	return f.Log.Append(tx, h.event(Type, "/write", h.Address))
}

// enrolled is the host that has used a token, if it has the same key.
func (f *Fleet) enrolled(tx store.Tx, token enrollmentToken, key string) (Host, error) {
	if token.Used.Key != key {
		return Host{}, ErrEnrollmentToken
	}
	h, err := f.host(tx, token.id, token.Used.Host)
	if errors.Is(err, ErrUnknown) { // it was removed
		return Host{}, fmt.Errorf("%w: %w", ErrEnrollmentToken, err)
	}
	return h, err
}

// keyOf is the hash of the public key in a certificate, which is in PEM.
func keyOf(certificate []byte) (string, error) {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return "", errors.New("the certificate of a host is not PEM")
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("read the certificate of a host: %w", err)
	}
	sum := sha256.Sum256(parsed.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:]), nil
}

// usableToken reads an enrollment token that has not expired. A used one is good for its host only. In an Update the
// read is guarded, so that the token can be used only once.
func (f *Fleet) usableToken(tx store.Tx, token host.Secret, now time.Time) (enrollmentToken, error) {
	stored, err := enrollmentTokens.Get(tx, enrollmentTokenKey(token))
	if err != nil {
		return enrollmentToken{}, err
	}
	if !now.Before(stored.until()) {
		return enrollmentToken{}, ErrEnrollmentToken
	}
	return stored, nil
}

// Renew issues a certificate for a new key of a host.
func (f *Fleet) Renew(ctx context.Context, h Host, request []byte) (Enrollment, error) {
	ends := f.Now().UTC().Add(f.CertificateLifetime).Truncate(time.Second)
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
