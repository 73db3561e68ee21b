package directory

import (
	"cmp"
	"errors"
	"time"

	"midas/internal/clock"
	"midas/internal/store"
)

// Revocation says which tokens of a user or a service principal are refused. It is kept until the last of these
// tokens has expired, also if the object has been deleted.
type Revocation struct {
	ObjectID string    `json:"-"`
	Before   time.Time `json:"before,omitzero"` // tokens that were issued earlier are refused
	Ended    bool      `json:"ended,omitempty"` // the object is disabled or deleted: all its tokens are refused
	Until    time.Time `json:"until"`           // when the last refused token has expired
}

// revocationMargin is how much longer than its tokens a revocation is kept: relying parties accept a token for
// some minutes after its exp, and clocks differ.
const revocationMargin = time.Hour

// defaultLongestToken is the default of Directory.LongestToken.
const defaultLongestToken = 24 * time.Hour

var (
	revocations = store.Table[Revocation]{Kind: store.RevocationKind, Missing: ErrNotFound}

	// revocationLists has one record for each tenant, which every change of the tenant's revocations puts. Its
	// revision is therefore the version of the list. Nothing but a reader of the list gets it, so that
	// concurrent revocations do not conflict.
	revocationLists = store.Table[noValue]{Kind: store.RevocationListKind, Missing: ErrNotFound}
)

func revocationKey(tenant, oid string) string { return key(store.RevocationKind, "", tenant+"/"+oid) }

func revocationListKey(tenant string) string { return key(store.RevocationListKind, "", tenant) }

// tokenStatus is the part of the record that decides about tokens.
func (p *ServicePrincipal) tokenStatus() TokenStatus {
	return TokenStatus{Enabled: p.Enabled, ValidFrom: p.ValidFrom, ClientID: p.AppID, ResourceID: p.ResourceID}
}

// tokenStatus is the part of the record that decides about tokens.
func (u *User) tokenStatus() TokenStatus {
	return TokenStatus{User: true, Enabled: u.Enabled, ValidFrom: u.ValidFrom}
}

// putPrincipal writes a principal in place of its record was. It is the only function that changes the record of
// a principal, so that no change of its token status is without its revocation.
func (d *Directory) putPrincipal(tx store.Tx, was, p ServicePrincipal) error {
	if err := d.revoke(tx, p.TenantID, p.ID, was.tokenStatus(), p.tokenStatus()); err != nil {
		return err
	}
	return principals.Put(tx, principalKey(p.TenantID, p.ID), p)
}

// putUser is putPrincipal for a user.
func (d *Directory) putUser(tx store.Tx, was User, u userRecord) error {
	if err := d.revoke(tx, u.TenantID, u.ID, was.tokenStatus(), u.tokenStatus()); err != nil {
		return err
	}
	return users.Put(tx, userKey(u.TenantID, u.ID), u)
}

// deleteSubject deletes the record of a user or a service principal and revokes all its tokens.
func (d *Directory) deleteSubject(tx store.Tx, record, tenant, oid string) error {
	tx.Delete(record)
	return d.putRevocation(tx, tenant, oid, Revocation{Ended: true})
}

// revoke writes the revocation that follows from a change of the token status.
func (d *Directory) revoke(tx store.Tx, tenant, oid string, was, is TokenStatus) error {
	if was.sameValidity(is) {
		return nil
	}
	if is.Enabled && is.ValidFrom.IsZero() { // it was created disabled and never had a token
		tx.Delete(revocationKey(tenant, oid))
		return revocationLists.Put(tx, revocationListKey(tenant), noValue{})
	}
	return d.putRevocation(tx, tenant, oid, Revocation{Before: is.ValidFrom, Ended: !is.Enabled})
}

func (d *Directory) putRevocation(tx store.Tx, tenant, oid string, r Revocation) error {
	r.Until = d.Now().UTC().Truncate(time.Second).Add(cmp.Or(d.LongestToken, defaultLongestToken) + clock.Skew + revocationMargin)
	record := revocationKey(tenant, oid)
	_, err := revocations.Get(tx, record)
	if errors.Is(err, ErrNotFound) { // whoever revokes one subject often must not stop the creation of others
		d.revoked.add()
		err = nil
	}
	if err == nil {
		err = revocations.Put(tx, record, r)
	}
	if err != nil {
		return err
	}
	return revocationLists.Put(tx, revocationListKey(tenant), noValue{})
}

// firstValid returns the ValidFrom of a new object. It is that of its status, unless a deleted object had the same
// id not long ago: the tokens of the deleted one stay revoked.
func (d *Directory) firstValid(tx store.Tx, tenant, oid string, is TokenStatus) (time.Time, error) {
	old, err := revocations.Get(tx, revocationKey(tenant, oid))
	if errors.Is(err, ErrNotFound) {
		return is.ValidFrom, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	from := d.nextValidFrom(old.Before)
	return from, d.putRevocation(tx, tenant, oid, Revocation{Before: from, Ended: !is.Enabled})
}

// TokenRevocations are the revocations of a tenant at one revision of the store.
type TokenRevocations struct {
	Version store.Revision // of the last change; 0: there was none
	All     []Revocation   // in the order of the object ids
}

// RevocationsVersion returns the version of the revocations of a tenant. It reads two records. It grows with every
// change, and also with every restore of the store, although the revisions of the store begin anew then.
func (d *Directory) RevocationsVersion(tx store.Tx, tenant string) (store.Revision, error) {
	base, err := store.RevisionBase(tx)
	if err != nil {
		return 0, err
	}
	rec, err := tx.Get(revocationListKey(tenant))
	if errors.Is(err, store.ErrNotFound) {
		return base, nil
	}
	if err == nil {
		_, err = revocationLists.Version(rec)
	}
	return base + rec.Revision, err
}

// Revocations returns all revocations of a tenant.
func (d *Directory) Revocations(tx store.Tx, tenant string) (TokenRevocations, error) {
	version, err := d.RevocationsVersion(tx, tenant)
	if err != nil || version == 0 {
		return TokenRevocations{}, err
	}
	list := TokenRevocations{Version: version}
	prefix := revocationKey(tenant, "")
	for row, err := range revocations.Scan(tx, store.Range{Prefix: prefix}) {
		if err != nil {
			return TokenRevocations{}, err
		}
		row.Data.ObjectID = row.Key[len(prefix):]
		list.All = append(list.All, row.Data)
	}
	return list, nil
}
