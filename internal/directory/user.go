package directory

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"midas/internal/store"
	"midas/internal/throttle"
)

// User is a user of the tenant.
type User struct {
	ID                string    `json:"id"` // object id; the oid of its tokens
	TenantID          string    `json:"tenantId"`
	UserPrincipalName string    `json:"userPrincipalName"` // name@domain, unique in the tenant ignoring case
	DisplayName       string    `json:"displayName"`
	GivenName         string    `json:"givenName,omitempty"`
	Surname           string    `json:"surname,omitempty"`
	Mail              string    `json:"mail,omitempty"`
	MailNickname      string    `json:"mailNickname,omitempty"`
	JobTitle          string    `json:"jobTitle,omitempty"`
	Department        string    `json:"department,omitempty"`
	OfficeLocation    string    `json:"officeLocation,omitempty"`
	MobilePhone       string    `json:"mobilePhone,omitempty"`
	BusinessPhones    []string  `json:"businessPhones,omitempty"`
	PreferredLanguage string    `json:"preferredLanguage,omitempty"`
	UsageLocation     string    `json:"usageLocation,omitempty"`
	Enabled           bool      `json:"enabled"`
	Created           time.Time `json:"created"`

	// ValidFrom is the time of the last revocation, as in ServicePrincipal.
	ValidFrom time.Time `json:"validFrom,omitzero"`

	// Extra holds opaque properties, as Application.Extra does.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
}

// userRecord is the stored form of a user. It has the password hash, which User lacks so that no other package
// gets it.
type userRecord struct {
	User
	Password PasswordHash `json:"password,omitempty"`
	Normal   bool         `json:"passwordNormal,omitempty"` // the hash is that of the normalized password
}

// CreateUser adds a user with a hash of HashPassword; with an empty hash the user cannot sign in. It
// returns ErrExists if another user has the id or the user principal name, or ErrInvalid.
func (d *Directory) CreateUser(tx store.Tx, u User, pw PasswordHash) error {
	if u.ID == "" || u.TenantID == "" {
		return errors.New("create user: object id and tenant are required")
	}
	if err := u.checkNew(); err != nil {
		return err
	}
	if d.tooManyRevoked() {
		return fmt.Errorf("create user: %w", ErrTooManyRevocations)
	}
	if u.Created.IsZero() {
		u.Created = d.Now().UTC()
	}
	record, byName := userKey(u.TenantID, u.ID), userNameKey(u.TenantID, u.UserPrincipalName)
	for _, k := range []string{record, byName} {
		if err := checkAbsent(tx, k); err != nil {
			return fmt.Errorf("create user %s: %w", u.UserPrincipalName, err)
		}
	}
	if err := userNames.Put(tx, byName, reference{u.ID}); err != nil {
		return err
	}
	if err := d.countAdministrator(tx, u.TenantID, u.ID, false, u.Enabled); err != nil {
		return err
	}
	from, err := d.firstValid(tx, u.TenantID, u.ID, u.tokenStatus())
	if err != nil {
		return err
	}
	u.ValidFrom = from
	return users.Put(tx, record, userRecord{u, pw, pw != ""})
}

// check validates the user principal name of a new or an existing user.
func (u *User) check() error {
	name, domain, found := strings.Cut(u.UserPrincipalName, "@")
	switch {
	case !found || name == "" || domain == "" || len(u.UserPrincipalName) > throttle.MaxName:
		return fmt.Errorf("%w: the user principal name %.300q is not of the form name@domain, with at most %d bytes", ErrInvalid, u.UserPrincipalName, throttle.MaxName)
	case strings.ContainsAny(u.UserPrincipalName, "/\\ \x00\t\r\n") || strings.Contains(domain, "@"):
		return fmt.Errorf("%w: the user principal name %q has a character that it must not have", ErrInvalid, u.UserPrincipalName)
	}
	return nil
}

// checkNew validates a new user principal name: ASCII letters, digits and a few signs, as in Entra, so that
// different names do not look the same. Existing names are not checked, so that such users can still be
// disabled.
func (u *User) checkNew() error {
	if err := u.check(); err != nil {
		return err
	}
	other := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("@'.-_!#^~", c)
	}
	if i := strings.IndexFunc(u.UserPrincipalName, other); i >= 0 {
		c, _ := utf8.DecodeRuneInString(u.UserPrincipalName[i:])
		return fmt.Errorf("%w: the user principal name %q contains the character %q; it may have only A-Z, a-z, 0-9 and '.-_!#^~",
			ErrInvalid, u.UserPrincipalName, c)
	}
	return nil
}

// UpdateUser replaces a user except the password. It returns ErrNotFound, ErrInvalid, ErrExists if another
// user has the new user principal name, or ErrLastAdministrator. Disabling a user also revokes its tokens.
func (d *Directory) UpdateUser(tx store.Tx, u User) error {
	old, err := d.userRecord(tx, u.TenantID, u.ID)
	if err != nil {
		return fmt.Errorf("update user %s: %w", u.ID, err)
	}
	if err := u.check(); err != nil {
		return err
	}
	was, is := userNameKey(u.TenantID, old.UserPrincipalName), userNameKey(u.TenantID, u.UserPrincipalName)
	if was != is {
		if err := u.checkNew(); err != nil {
			return err
		}
		if err := checkAbsent(tx, is); err != nil {
			return fmt.Errorf("update user %s: name %s: %w", u.ID, u.UserPrincipalName, err)
		}
		tx.Delete(was)
		if err := userNames.Put(tx, is, reference{u.ID}); err != nil {
			return err
		}
	}
	if old.Enabled && !u.Enabled {
		u.ValidFrom = d.nextValidFrom(old.ValidFrom)
	}
	if err := d.countAdministrator(tx, u.TenantID, u.ID, old.Enabled, u.Enabled); err != nil {
		return fmt.Errorf("update user %s: %w", u.ID, err)
	}
	return d.putUser(tx, old.User, userRecord{u, old.Password, old.Normal})
}

// DeleteUser removes a user, or returns ErrNotFound or ErrLastAdministrator. Unlink removes its links.
func (d *Directory) DeleteUser(tx store.Tx, tenant, oid string) error {
	u, err := d.User(tx, tenant, oid)
	if err == nil {
		err = d.removeAdministrator(tx, tenant, oid, u.Enabled)
	}
	if err == nil {
		err = markForUnlink(tx, tenant, oid)
	}
	if err != nil {
		return fmt.Errorf("delete user %s: %w", oid, err)
	}
	tx.Delete(userNameKey(tenant, u.UserPrincipalName))
	return d.deleteSubject(tx, userKey(tenant, oid), tenant, oid)
}

// CheckPassword checks the password of a user by object id and returns its hash for ChangePassword. It
// returns ErrNotFound, ErrWrongPassword, or ErrBusy if too many passwords are being checked; by identifies
// the client in the queue. Callers limit the attempts with throttle.PasswordLimiter.
func (d *Directory) CheckPassword(ctx context.Context, tenant, oid string, pw PasswordText, by throttle.Waiter) (PasswordHash, error) {
	var r userRecord
	err := d.Store.View(ctx, func(tx store.Tx) (err error) {
		r, err = d.userRecord(tx, tenant, oid)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("check the password of user %s: %w", oid, err)
	}
	if r.Password == "" {
		return "", ErrWrongPassword
	}
	switch matches, err := d.passwordMatches(ctx, r.Password, r.passwordForms(pw), by); {
	case err != nil:
		return "", fmt.Errorf("check the password of user %s: %w", oid, err)
	case !matches:
		return "", ErrWrongPassword
	}
	return r.Password, nil
}

// ChangePassword sets the password after CheckPassword, which has returned the hash shown. It returns
// ErrWrongPassword if the password has changed since then.
func (d *Directory) ChangePassword(tx store.Tx, tenant, oid string, shown, pw PasswordHash) error {
	r, err := d.userRecord(tx, tenant, oid)
	if err != nil {
		return fmt.Errorf("change the password of user %s: %w", oid, err)
	}
	if subtle.ConstantTimeCompare([]byte(r.Password), []byte(shown)) != 1 {
		return ErrWrongPassword
	}
	return d.SetPassword(tx, tenant, oid, pw)
}

// SetPassword replaces the password by a hash of HashPassword and revokes the user's tokens, or returns
// ErrNotFound.
func (d *Directory) SetPassword(tx store.Tx, tenant, oid string, pw PasswordHash) error {
	r, err := d.userRecord(tx, tenant, oid)
	if err != nil {
		return fmt.Errorf("set password of user %s: %w", oid, err)
	}
	was := r.User
	r.Password, r.Normal, r.ValidFrom = pw, pw != "", d.nextValidFrom(r.ValidFrom)
	return d.putUser(tx, was, r)
}

// User gives the user with an object id, or ErrNotFound.
func (d *Directory) User(tx store.Tx, tenant, oid string) (User, error) {
	r, err := d.userRecord(tx, tenant, oid)
	return r.User, err
}

func (d *Directory) userRecord(tx store.Tx, tenant, oid string) (userRecord, error) {
	return users.Get(tx, userKey(tenant, oid))
}

// UserByName returns the user with a user principal name, ignoring case, or ErrNotFound.
func (d *Directory) UserByName(tx store.Tx, tenant, upn string) (User, error) {
	r, err := d.userRecordByName(tx, tenant, upn)
	return r.User, err
}

func (d *Directory) userRecordByName(tx store.Tx, tenant, upn string) (userRecord, error) {
	ref, err := userNames.Get(tx, userNameKey(tenant, upn))
	if err != nil {
		return userRecord{}, err
	}
	return d.userRecord(tx, tenant, ref.ID)
}

// Users returns at most limit users in the order of their object ids, after the given one.
func (d *Directory) Users(tx store.Tx, tenant, after string, limit int) ([]User, error) {
	records, err := list(tx, &users, userKey(tenant, ""), after, limit)
	all := make([]User, len(records))
	for i, r := range records {
		all[i] = r.User
	}
	return all, err
}

// passwordForms returns the forms of a password to compare with the record's hash: the normalized form, and
// the form as typed if the hash was made before passwords were normalized. For nearly all passwords both
// are the same.
func (r *userRecord) passwordForms(pw PasswordText) []PasswordText {
	all := []PasswordText{normalize(pw)}
	if r.Password != "" && !r.Normal && all[0] != pw {
		all = append(all, pw)
	}
	return all
}

// AuthenticateUser checks the password of a user by name and returns the user. The error is ErrUnknownUser,
// ErrWrongPassword, ErrUserDisabled (only if the password is right; the user is returned too), or ErrBusy
// if too many passwords are being checked; by identifies the client in the queue. An unknown user takes as
// long as a wrong password. Callers limit the attempts with throttle.PasswordLimiter and refuse names longer
// than throttle.MaxName before.
func (d *Directory) AuthenticateUser(ctx context.Context, tenant, upn string, pw PasswordText, by throttle.Waiter) (User, error) {
	if len(upn) > throttle.MaxName {
		return User{}, ErrUnknownUser
	}
	var r userRecord
	err := d.Store.View(ctx, func(tx store.Tx) (err error) {
		r, err = d.userRecordByName(tx, tenant, upn)
		return err
	})
	unknown := errors.Is(err, ErrNotFound)
	if err != nil && !unknown {
		return User{}, fmt.Errorf("authenticate user: %w", err)
	}
	hash := r.Password
	if hash == "" {
		hash = dummyPassword
	}
	matches, err := d.passwordMatches(ctx, hash, r.passwordForms(pw), by)
	switch {
	case err != nil:
		return User{}, fmt.Errorf("authenticate user: %w", err)
	case unknown:
		return User{}, ErrUnknownUser
	case !matches || r.Password == "":
		return User{}, ErrWrongPassword
	case !r.Enabled:
		return r.User, ErrUserDisabled
	}
	return r.User, nil
}
