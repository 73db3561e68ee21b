package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/store"
)

// The states of a device code.
const (
	pending  = "pending"
	approved = "approved"
	declined = "declined"
)

// Device is a device authorization request (RFC 8628): a device waits for a user to sign in elsewhere.
type Device struct {
	ID       string    `json:"id"`
	Tenant   string    `json:"tenant,omitempty"` // the tenant whose users may approve; empty: any tenant
	ClientID string    `json:"clientId"`
	Scope    string    `json:"scope,omitempty"`
	UserCode string    `json:"userCode"` // the user types it on the device page
	State    string    `json:"state"`
	Granted  *Grant    `json:"granted,omitempty"` // set once it is approved
	Expires  time.Time `json:"expires"`
}

// userCodeRecord maps a user code to its device.
type userCodeRecord struct {
	Tenant  string    `json:"tenant,omitempty"`
	ID      string    `json:"id"`
	Expires time.Time `json:"expires"`
}

// sealedDevice is the content of a device code.
type sealedDevice struct {
	Tenant  string    `json:"t,omitempty"`
	ID      string    `json:"i"`
	Expires time.Time `json:"e"`
}

// StartDevice stores a pending device. It returns the device code, with which the device polls, and the
// device with the user code, which the device shows.
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
		if err := putExpiring(tx, &userCodes, userCodeKey(d.UserCode), userCodeRecord{d.Tenant, d.ID, d.Expires}, d.Expires); err != nil {
			return err
		}
		return putExpiring(tx, &devices, deviceKey(d.Tenant, d.ID), d, d.Expires)
	})
	if err != nil {
		return "", Device{}, fmt.Errorf("start device: %w", err)
	}
	deviceCode, err = g.Sealer.Seal("device", sealedDevice{d.Tenant, d.ID, d.Expires})
	return deviceCode, d, err
}

// DeviceByUserCode returns the pending device with a user code, or ErrInvalid.
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

// Decide records the user's decision: the grant, or nil if the user declines. It returns ErrInvalid if
// the device is no longer pending.
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

// OpenDevice opens a device code and returns its approved device. The error is ErrInvalid, ErrExpired,
// ErrPending or ErrDeclined; with the last two it returns the device too.
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

// RedeemDevice removes an approved device, so that its code works once. With refresh it begins a family
// and returns its first token. It returns ErrInvalid if the code was redeemed before.
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
