package grant

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"midas/internal/store"
)

// The states of a device code.
const (
	pending  = "pending"
	approved = "approved"
	declined = "declined"
)

// Device is a device that waits for a user to sign in for it.
type Device struct {
	ID       string    `json:"id"`
	Tenant   string    `json:"tenant,omitempty"` // the one whose users it waits for; empty: any
	ClientID string    `json:"clientId"`
	Scope    string    `json:"scope,omitempty"`
	UserCode string    `json:"userCode"` // what the user types
	State    string    `json:"state"`
	Granted  *Grant    `json:"granted,omitempty"` // when it is approved
	Expires  time.Time `json:"expires"`
}

// userCodeRecord leads from what a user types to the device.
type userCodeRecord struct {
	Tenant  string    `json:"tenant,omitempty"`
	ID      string    `json:"id"`
	Expires time.Time `json:"expires"`
}

// sealedDevice is what a device code says.
type sealedDevice struct {
	Tenant  string    `json:"t,omitempty"`
	ID      string    `json:"i"`
	Expires time.Time `json:"e"`
}

// readable are characters that are not taken for each other and make no words: 22 to the ninth power
// is 10^12, of which a few are good for a quarter of an hour.
const (
	readable       = "CDFGHJKLMNPQRTVWXY3479"
	userCodeLength = 9
)

// newUserCode makes a code for a user to type.
func newUserCode() string {
	code := make([]byte, 0, userCodeLength)
	for len(code) < userCodeLength {
		var b [2 * userCodeLength]byte
		rand.Read(b[:]) //nolint:errcheck // it never fails
		for _, one := range b {
			// What lies beyond the last whole multiple would make some characters likelier.
			if n := len(readable); int(one) < 256/n*n && len(code) < userCodeLength {
				code = append(code, readable[int(one)%n])
			}
		}
	}
	return string(code)
}

// UserCode is a code as a user has typed it, in the spelling under which it is kept. It may be
// none.
func UserCode(typed string) string {
	code := strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-':
			return -1
		case 'a' <= r && r <= 'z': // and no other letter: a code is ASCII
			return r + 'A' - 'a'
		}
		return r
	}, typed)
	if len(code) != userCodeLength {
		return ""
	}
	return code
}

// StartDevice gives a device its codes: one to poll with, which is returned, and the one to show.
func (g *Grants) StartDevice(ctx context.Context, d Device) (deviceCode string, _ Device, err error) {
	d.ID, d.State, d.Expires = g.NewID(), pending, g.now().Add(DeviceLifetime)
	_, err = g.Store.Update(ctx, func(tx store.Tx) error {
		d.UserCode = newUserCode()
		switch _, err := userCodes.Get(tx, userCodeKey(d.UserCode)); {
		case err == nil:
			return store.ErrConflict
		case !errors.Is(err, ErrInvalid):
			return err
		}
		if err := keep(tx, &userCodes, userCodeKey(d.UserCode), userCodeRecord{d.Tenant, d.ID, d.Expires}, d.Expires); err != nil {
			return err
		}
		return keep(tx, &devices, deviceKey(d.Tenant, d.ID), d, d.Expires)
	})
	if err != nil {
		return "", Device{}, fmt.Errorf("start device: %w", err)
	}
	deviceCode, err = g.Sealer.Seal("device", sealedDevice{d.Tenant, d.ID, d.Expires})
	return deviceCode, d, err
}

// DeviceByUserCode finds the device that shows a code and still waits, or gives ErrInvalid.
func (g *Grants) DeviceByUserCode(ctx context.Context, code string) (Device, error) {
	if code == "" {
		return Device{}, ErrInvalid
	}
	var d Device
	err := g.Store.View(ctx, func(tx store.Tx) error {
		ref, err := userCodes.Get(tx, userCodeKey(code))
		if err != nil {
			return err
		}
		d, err = devices.Get(tx, deviceKey(ref.Tenant, ref.ID))
		return err
	})
	if err == nil && (d.State != pending || !g.now().Before(d.Expires)) {
		err = ErrInvalid
	}
	if err != nil && !errors.Is(err, ErrInvalid) {
		return Device{}, fmt.Errorf("find device: %w", err)
	}
	return d, err
}

// Decide records what a user has decided: to grant, or, with nil, to decline. It gives ErrInvalid
// when the device no longer waits.
func (g *Grants) Decide(ctx context.Context, d Device, granted *Grant) error {
	_, err := g.Store.Update(ctx, func(tx store.Tx) error {
		r, err := devices.Get(tx, deviceKey(d.Tenant, d.ID))
		if err != nil {
			return err
		}
		if r.State != pending || !g.now().Before(r.Expires) {
			return ErrInvalid
		}
		if r.State = declined; granted != nil {
			r.State, r.Granted = approved, granted
		}
		tx.Delete(userCodeKey(r.UserCode))
		return devices.Put(tx, deviceKey(d.Tenant, d.ID), r)
	})
	if err != nil && !errors.Is(err, ErrInvalid) {
		return fmt.Errorf("decide for device %s: %w", d.ID, err)
	}
	return err
}

// OpenDevice reads a device code. The error is ErrInvalid or ErrExpired; with ErrPending and
// ErrDeclined the device is given too.
func (g *Grants) OpenDevice(ctx context.Context, sealed string) (Device, error) {
	var s sealedDevice
	if err := g.Sealer.Open("device", sealed, &s); err != nil {
		return Device{}, ErrInvalid
	}
	if !g.now().Before(s.Expires) {
		return Device{}, ErrExpired
	}
	var d Device
	err := g.Store.View(ctx, func(tx store.Tx) (err error) {
		d, err = devices.Get(tx, deviceKey(s.Tenant, s.ID))
		return err
	})
	switch {
	case errors.Is(err, ErrInvalid):
		return Device{}, ErrInvalid
	case err != nil:
		return Device{}, fmt.Errorf("open device code: %w", err)
	case d.State == pending:
		return d, ErrPending
	case d.State == declined:
		return d, ErrDeclined
	}
	return d, nil
}

// RedeemDevice uses an approved device code up. With refresh it begins a family and gives its first
// token. It gives ErrInvalid when the code was used before.
func (g *Grants) RedeemDevice(ctx context.Context, d Device, refresh bool) (refreshToken string, err error) {
	_, err = g.Store.Update(ctx, func(tx store.Tx) error {
		r, err := devices.Get(tx, deviceKey(d.Tenant, d.ID))
		if err != nil {
			return err
		}
		if r.State != approved || r.Granted == nil {
			return ErrInvalid
		}
		tx.Delete(deviceKey(d.Tenant, d.ID))
		if !refresh {
			return nil
		}
		_, refreshToken, err = g.begin(tx, *r.Granted)
		return err
	})
	if err != nil && !errors.Is(err, ErrInvalid) {
		return "", fmt.Errorf("redeem device code: %w", err)
	}
	return refreshToken, err
}
