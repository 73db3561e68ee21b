// Package directory knows who there is: tenants, the users and groups in them, the applications
// registered there with their credentials, and the service principals that act.
//
// An application is the registration and holds the credentials; a service principal is what an
// application, or a managed identity, is inside one tenant, and is what roles are given to. A
// managed identity has a service principal and no application, so it can never show a secret.
//
// Everything of a tenant lies under d/<tenant>/: a record per object, found by the id under which
// the hot paths ask for it, and a look-up key for every other id. The tenants themselves lie under
// d//, the tenant without a name. Mutators take the caller's transaction, so that whoever creates
// an identity creates its principal, or neither.
package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// The errors that callers tell apart with errors.Is.
var (
	ErrNotFound           = fmt.Errorf("directory: no such object: %w", store.ErrNotFound)
	ErrExists             = errors.New("directory: the object exists already")
	ErrUnknownApplication = errors.New("directory: no such application in this tenant")
	ErrWrongSecret        = errors.New("directory: wrong secret")
	ErrExpiredSecret      = errors.New("directory: the secret is outside its time")
	ErrDisabled           = errors.New("directory: the service principal is disabled")
	ErrWeakSecret         = errors.New("directory: the secret is too weak")
	ErrTooManySecrets     = errors.New("directory: the application has too many secrets or certificates")
	ErrUnknownUser        = errors.New("directory: no such user in this tenant")
	ErrWrongPassword      = errors.New("directory: wrong password")
	ErrUserDisabled       = errors.New("directory: the user is disabled")
	ErrWeakPassword       = errors.New("directory: the password is too weak")
	ErrBusy               = errors.New("directory: too many passwords are being checked, try again")
	ErrInvalid            = errors.New("directory: invalid")
	ErrTooManyGroups      = errors.New("directory: too many groups")
	ErrFirstParty         = errors.New("directory: the object belongs to every tenant and cannot be changed")
)

// Directory is the directory of all tenants. All fields are required. It must not be copied.
type Directory struct {
	Store store.Store
	Now   func() time.Time
	NewID func() string

	hashing gate
	hot     hot
}

// hot is what the token endpoint reads for each token, kept decoded. What it gives is shared.
type hot struct {
	tenants    store.Decoded[tenantRecord]
	apps       store.Decoded[applicationRecord]
	principals store.Decoded[principalRecord]
	users      store.Decoded[userRecord]
	references store.Decoded[reference]
}

// key joins the parts of a key below a tenant. Ids are GUIDs or domain names, which compare without
// regard to case.
func key(tenant, kind, id string) string {
	return "d/" + arm.Fold(tenant) + "/" + kind + "/" + arm.Fold(id)
}

// Keys by kind. The application's record is found by its client id and the principal's by its object
// id, because tokens are asked for with the one and carry the other.
func tenantKey(id string) string                { return key("", "tenant", id) }
func domainKey(name string) string              { return key("", "domain", name) }       // -> tenant id
func applicationKey(tenant, app string) string  { return key(tenant, "app", app) }       //
func applicationIDKey(tenant, id string) string { return key(tenant, "app-object", id) } // -> client id
func principalKey(tenant, oid string) string    { return key(tenant, "sp", oid) }        //
func principalAppKey(tenant, app string) string { return key(tenant, "sp-app", app) }    // -> object id

func identifierKey(tenant, uri string) string { return key(tenant, "app-uri", uri) }   // -> client id
func userKey(tenant, oid string) string       { return key(tenant, "user", oid) }      //
func userNameKey(tenant, upn string) string   { return key(tenant, "user-name", upn) } // -> object id
func groupKey(tenant, oid string) string      { return key(tenant, "group", oid) }     //

// The record of an app role assignment is found by its principal, because that is who gets tokens.
func appRoleKey(tenant, principal, id string) string { return key(tenant, "approle", principal+"/"+id) }
func appRoleToKey(tenant, resource, id string) string {
	return key(tenant, "approle-to", resource+"/"+id)
} // -> principal

// version begins every record, so that a later Midas can tell old ones and this one refuses newer
// ones.
type version struct {
	V int `json:"v"`
}

const current = 1

func (v version) number() int { return v.V }

// get reads a record, or gives ErrNotFound.
func get[T interface{ number() int }](tx store.Tx, key string) (T, error) {
	return getHot[T](nil, tx, key)
}

// getHot is get for those who do not change what they are given.
func getHot[T interface{ number() int }](kept *store.Decoded[T], tx store.Tx, key string) (T, error) {
	var zero T
	if len(key) > store.MaxKey {
		return zero, ErrNotFound // an id that a client made up; nothing has such a key
	}
	rec, err := tx.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return zero, ErrNotFound
	}
	if err != nil {
		return zero, err
	}
	if kept == nil {
		return decode[T](rec)
	}
	return kept.Of(rec, decode[T])
}

func decode[T interface{ number() int }](rec store.Record) (T, error) {
	var v T
	if err := json.Unmarshal(rec.Value, &v); err != nil {
		return v, fmt.Errorf("read record %s: %w", rec.Key, err)
	}
	if v.number() != current {
		return v, fmt.Errorf("read record %s: version %d was written by a newer Midas", rec.Key, v.number())
	}
	return v, nil
}

// list reads at most limit (0: all) records of one kind after an id. prefix is the key of the empty
// id.
func list[R interface{ number() int }, T any](tx store.Tx, prefix, after string, limit int, of func(R) T) ([]T, error) {
	if len(prefix) > store.MaxKey {
		return nil, nil
	}
	r := store.Range{Prefix: prefix, Limit: limit}
	if after != "" {
		r.After = prefix + arm.Fold(after)
	}
	records, err := tx.Records(r)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	var all []T
	for _, rec := range records {
		v, err := decode[R](rec)
		if err != nil {
			return nil, err
		}
		all = append(all, of(v))
	}
	return all, nil
}

func put(tx store.Tx, key string, record any) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("write record %s: %w", key, err)
	}
	tx.Put(key, data)
	return nil
}

// reference is the value of a look-up key: the id under which the record is found.
type reference struct {
	version
	ID string `json:"id"`
}

// absent guards a key that is about to be created.
func absent(tx store.Tx, key string) error {
	_, err := tx.Get(key)
	if err == nil {
		return ErrExists
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
