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

// User is a person who signs in.
type User struct {
	ID                string    `json:"id"` // object id; the oid of its tokens
	TenantID          string    `json:"tenantId"`
	UserPrincipalName string    `json:"userPrincipalName"` // name@domain, unique in the tenant whatever its case
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

	// ValidFrom is when its tokens were last revoked, as it is for service principals.
	ValidFrom time.Time `json:"validFrom,omitzero"`

	// Extra is what Application.Extra is.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
}

// userRecord keeps the password's hash beside the user, so that it leaves this package with nobody.
type userRecord struct {
	User
	Password PasswordHash `json:"password,omitempty"`
	Normal   bool         `json:"passwordNormal,omitempty"` // the password was in its normal form when it was hashed
}

// CreateUser adds a user with a password that HashPassword has hashed; without one the user cannot sign
// in. It gives ErrExists when the id or the user principal name is taken, or ErrInvalid.
func (d *Directory) CreateUser(tx store.Tx, u User, pw PasswordHash) error {
	if u.ID == "" || u.TenantID == "" {
		return errors.New("create user: object id and tenant are required")
	}
	if err := u.checkNew(); err != nil {
		return err
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
	return users.Put(tx, record, userRecord{u, pw, pw != ""})
}

// check refuses names that could not be looked up or shown.
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

// checkNew refuses what no name may have that is given from now on: Entra's names have only ASCII
// letters, digits and a few signs, so that no two look the same. It is not asked of the names of users
// that exist, who must be able to be disabled.
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

// UpdateUser replaces all of a user but its password. It gives ErrNotFound, ErrInvalid, ErrExists when
// the new user principal name is taken, or ErrLastAdministrator. A user that is disabled by it loses
// its tokens too.
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
		u.ValidFrom = d.nextValidFrom()
	}
	if err := d.countAdministrator(tx, u.TenantID, u.ID, old.Enabled, u.Enabled); err != nil {
		return fmt.Errorf("update user %s: %w", u.ID, err)
	}
	return users.Put(tx, userKey(u.TenantID, u.ID), userRecord{u, old.Password, old.Normal})
}

// DeleteUser removes a user. It gives ErrNotFound, or ErrLastAdministrator. See Unlink for what it was
// part of.
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
	tx.Delete(userKey(tenant, oid))
	tx.Delete(userNameKey(tenant, u.UserPrincipalName))
	return nil
}

// CheckPassword checks the password of a user who is known, and gives its hash for ChangePassword. It
// gives ErrNotFound, ErrWrongPassword, or ErrBusy when too many passwords are being checked already; by
// is who waits for it. Callers bound how often it is called (throttle.Passwords).
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

// ChangePassword is SetPassword for a user who has shown the password whose hash CheckPassword gave. It
// gives ErrWrongPassword when that is not the user's password any more.
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

// SetPassword gives a user a new password, which HashPassword has hashed, and revokes its tokens. It
// gives ErrNotFound.
func (d *Directory) SetPassword(tx store.Tx, tenant, oid string, pw PasswordHash) error {
	r, err := d.userRecord(tx, tenant, oid)
	if err != nil {
		return fmt.Errorf("set password of user %s: %w", oid, err)
	}
	r.Password, r.Normal, r.ValidFrom = pw, pw != "", d.nextValidFrom()
	return users.Put(tx, userKey(tenant, oid), r)
}

// User gives the user with an object id, or ErrNotFound.
func (d *Directory) User(tx store.Tx, tenant, oid string) (User, error) {
	r, err := d.userRecord(tx, tenant, oid)
	return r.User, err
}

func (d *Directory) userRecord(tx store.Tx, tenant, oid string) (userRecord, error) {
	return users.Get(tx, userKey(tenant, oid))
}

// UserByName gives the user with a user principal name, whatever its case, or ErrNotFound.
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

// Users gives at most limit users in the order of their object ids, from the one after the given
// object id on; the empty string is the beginning.
func (d *Directory) Users(tx store.Tx, tenant, after string, limit int) ([]User, error) {
	records, err := list(tx, &users, userKey(tenant, ""), after, limit)
	all := make([]User, len(records))
	for i, r := range records {
		all[i] = r.User
	}
	return all, err
}

// passwordForms gives the forms in which a password is compared with the record's hash: the normal one, and
// for a hash that was made before passwords were normalized also the one in which it was typed. For
// nearly all passwords these are the same.
func (r *userRecord) passwordForms(pw PasswordText) []PasswordText {
	all := []PasswordText{normalize(pw)}
	if r.Password != "" && !r.Normal && all[0] != pw {
		all = append(all, pw)
	}
	return all
}

// AuthenticateUser says which user it is that shows a password. The error is ErrUnknownUser,
// ErrWrongPassword, ErrUserDisabled (only for who knows the password; then the user is given too),
// or ErrBusy when too many passwords are being checked already; by is who waits for it. An unknown user
// takes the same work as a wrong password. Callers bound how often it is called (throttle.Passwords),
// and do not call it with names longer than throttle.MaxName.
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
