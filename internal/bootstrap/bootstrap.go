// Package bootstrap creates a tenant, a subscription in it, and an administrator: an application with a
// secret for programs, and a user with a password for sign-in. Both are Owner of the subscription and
// Global Administrator of the tenant.
//
// It runs at every start and creates only what is missing, so the next start completes one that was
// killed. First it writes all ids and the secret to admin.json; then one transaction creates the objects;
// then it assigns the roles, once. Because admin.json is first, a store in memory gets the same tenant,
// subscription and administrator at each start. If admin.json was lost, the store still has the ids, and
// the administrator gets a new secret. The store also has the credentials, sealed: replicas that share a store
// make their admin.json from them, and there the transaction is first.
package bootstrap

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/datadir"
	"midas/internal/directory"
	"midas/internal/password"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/throttle"
)

// recordKey is the key of the record of the first start.
var recordKey = store.AdminKind.Keys

var records = store.Table[record]{Kind: store.AdminKind}

// secretLife is the lifetime of the administrator's secret. A start after its end prolongs it.
const secretLife = 10 * 365 * 24 * time.Hour

// domain is the domain of the tenant, and userName the administrator's name in it.
const (
	domain   = "midas.localhost"
	userName = "admin"
)

// administrator is the display name of the administrator's objects.
const administrator = "Midas administrator"

// record is the record under recordKey.
type record struct {
	TenantID       string `json:"tenant"`
	SubscriptionID string `json:"subscription"`
	ClientID       string `json:"client"`
	Lab            bool   `json:"lab,omitempty"`

	// Roles that were assigned once. They are not assigned again if an operator has removed them.
	Owner         bool `json:"owner,omitempty"`         // Owner of the subscription, for the application
	UserOwner     bool `json:"userOwner,omitempty"`     // Owner of the subscription, for the user
	Administrator bool `json:"administrator,omitempty"` // Global Administrator, for both

	// Password is the fingerprint of the last password of admin.json that was set. It does not help to
	// guess the password. Bootstrap sets the password again only if admin.json has another one, so a changed
	// password and a deleted user stay as they are.
	Password string `json:"password,omitempty"`

	// Sealed is the sealed JSON of a datadir.Admin, from which other replicas make their admin.json.
	Sealed []byte `json:"sealed,omitempty"`
}

// Bootstrap creates the administrator. All fields are required.
type Bootstrap struct {
	Dir       *datadir.Dir
	Store     store.Store
	Directory *directory.Directory
	Resources *resource.Service
	RBAC      *rbac.Service
	Now       func() time.Time
	NewID     func() string
	Sealer    *seal.Sealer // seals the credentials in the store

	// Shared says that other replicas use the store. Their administrator is that of the store: a missing admin.json
	// gets its credentials. In a store of one process a missing admin.json means that they are replaced.
	Shared bool

	// WellKnown are the public ids and the public secret of laboratories. They are used if Lab is
	// set, and refused if it is not.
	WellKnown datadir.Admin
	Lab       bool
}

// Errors for a folder that was created with --lab and is used without, or the reverse.
var (
	errIsLab = errors.New("this data folder was made with --lab, so its administrator's secret is public: start it with --lab, or use another folder with --data")
	errNoLab = errors.New("this data folder was made without --lab: start it without --lab, or use another folder with --data")
)

// errBegun says that another replica has created the administrator in the meantime.
var errBegun = errors.New("another replica has created the administrator")

// Run creates what is missing and returns the administrator.
func (b *Bootstrap) Run(ctx context.Context, endpoint string) (datadir.Admin, error) {
	admin, err := b.run(ctx, endpoint)
	if errors.Is(err, errBegun) {
		admin, err = b.run(ctx, endpoint)
	}
	return admin, err
}

func (b *Bootstrap) run(ctx context.Context, endpoint string) (datadir.Admin, error) {
	rec, err := b.load(ctx)
	if err != nil {
		return datadir.Admin{}, err
	}
	admin, err := b.decide(ctx, rec, endpoint)
	if err != nil {
		return datadir.Admin{}, err
	}
	known, err := b.known(ctx, rec, admin)
	if err != nil {
		return datadir.Admin{}, err
	}
	first := rec == nil
	if first {
		rec = &record{TenantID: admin.TenantID, SubscriptionID: admin.SubscriptionID, ClientID: admin.ClientID, Lab: b.Lab}
	}
	if !known || !rec.Administrator || rec.Password != fingerprint(admin) || !b.keeps(*rec, admin) {
		if err := b.make(ctx, rec, admin, first); err != nil {
			return datadir.Admin{}, fmt.Errorf("make the administrator: %w", err)
		}
	}
	if !rec.Owner || !rec.UserOwner {
		if err := b.assign(ctx, rec, admin); err != nil {
			return datadir.Admin{}, fmt.Errorf("make the administrator Owner of the subscription: %w", err)
		}
	}
	return admin, b.write(admin)
}

// load reads the record of an earlier start; nil if there was none.
func (b *Bootstrap) load(ctx context.Context) (*record, error) {
	rec, err := records.Load(ctx, b.Store, recordKey)
	if err != nil {
		return nil, fmt.Errorf("read the record of the first start: %w", err)
	}
	return rec, nil
}

// decide determines ids and secret and writes them to admin.json.
func (b *Bootstrap) decide(ctx context.Context, rec *record, endpoint string) (datadir.Admin, error) {
	was, exists, err := b.Dir.Admin()
	if err != nil {
		return was, err
	}
	admin := was
	stored, known := b.stored(rec)
	switch {
	case exists && rec != nil && (was.TenantID != rec.TenantID || was.ClientID != rec.ClientID || was.SubscriptionID != rec.SubscriptionID):
		return admin, fmt.Errorf("%s does not belong to this store, which was made for tenant %s and client %s: restore the file of this store, or remove it to give the administrator a new secret",
			b.Dir.Path(datadir.AdminFile), rec.TenantID, rec.ClientID)
	case b.Shared && known:
		admin = stored
	case exists:
	case b.Lab:
		admin = b.WellKnown
	case rec != nil:
		admin = datadir.Admin{TenantID: rec.TenantID, SubscriptionID: rec.SubscriptionID, ClientID: rec.ClientID, ClientSecret: datadir.Secret(directory.GenerateSecret())}
	default:
		admin = datadir.Admin{TenantID: b.NewID(), SubscriptionID: b.NewID(), ClientID: b.NewID(), ClientSecret: datadir.Secret(directory.GenerateSecret())}
	}
	if err := b.nameUser(ctx, &admin); err != nil {
		return admin, err
	}
	if err := b.checkLab(rec, admin); err != nil {
		return admin, err
	}
	if admin.Endpoint = endpoint; b.Shared {
		return admin, nil // the store is first, because another replica may be faster
	}
	return admin, b.write(admin)
}

// write writes admin.json if it has another content.
func (b *Bootstrap) write(admin datadir.Admin) error {
	if was, exists, err := b.Dir.Admin(); err == nil && exists && was == admin {
		return nil
	}
	return b.Dir.WriteAdmin(admin)
}

// stored opens the credentials in the store, and reports whether there are any. Those that cannot be opened, because
// the keys were reset, are as good as none.
func (b *Bootstrap) stored(rec *record) (admin datadir.Admin, known bool) {
	if rec == nil || rec.Sealed == nil {
		return admin, false
	}
	plain, err := b.Sealer.Open(recordKey, rec.Sealed)
	if err != nil || json.Unmarshal(plain, &admin) != nil {
		return datadir.Admin{}, false
	}
	return admin, true
}

// keeps reports whether the credentials are in the store, sealed with the newest key.
func (b *Bootstrap) keeps(rec record, admin datadir.Admin) bool {
	stored, known := b.stored(&rec)
	if admin.Endpoint = ""; !known || stored != admin {
		return false
	}
	fresh, err := b.Sealer.Reseal(recordKey, rec.Sealed)
	return err == nil && fresh == nil
}

// keep puts the sealed credentials into the record. The endpoint is that of each replica.
func (b *Bootstrap) keep(rec *record, admin datadir.Admin) error {
	admin.Endpoint = ""
	plain, err := json.Marshal(admin)
	if err != nil {
		return fmt.Errorf("encode credentials: %w", err)
	}
	rec.Sealed = b.Sealer.Seal(recordKey, plain)
	return nil
}

// Reseal seals the credentials in a store again, with the key with which the sealer seals now.
func Reseal(ctx context.Context, st store.Store, sealer *seal.Sealer) error {
	_, err := st.Update(ctx, func(tx store.Tx) error {
		rec, err := records.Get(tx, recordKey)
		if errors.Is(err, store.ErrNotFound) || err == nil && rec.Sealed == nil {
			return nil
		}
		if err != nil {
			return err
		}
		fresh, err := sealer.Reseal(recordKey, rec.Sealed)
		if errors.Is(err, seal.ErrSealed) || err == nil && fresh == nil {
			return nil
		}
		if err != nil {
			return err
		}
		rec.Sealed = fresh
		return save(tx, rec)
	})
	if err != nil {
		return fmt.Errorf("seal the administrator's credentials again: %w", err)
	}
	return nil
}

// nameUser sets the user name and password if admin.json has none.
func (b *Bootstrap) nameUser(ctx context.Context, admin *datadir.Admin) error {
	if b.Lab && admin.UserName == "" {
		admin.UserName, admin.UserPassword = b.WellKnown.UserName, b.WellKnown.UserPassword
	}
	if admin.UserName == "" {
		tenant, err := b.Directory.FindTenant(ctx, admin.TenantID)
		if err != nil && !errors.Is(err, directory.ErrNotFound) {
			return err
		}
		if tenant.DefaultDomain == "" {
			tenant.DefaultDomain = domain
		}
		admin.UserName = userName + "@" + tenant.DefaultDomain
	}
	if admin.UserPassword == "" {
		admin.UserPassword = datadir.Secret(password.Generate())
	}
	return nil
}

// fingerprint identifies a user name and password. It is keyed with the client secret, which is not in the
// store, so that a copy of the store does not help to guess the password.
func fingerprint(admin datadir.Admin) string {
	mac := hmac.New(sha256.New, []byte(admin.ClientSecret))
	mac.Write([]byte(admin.UserName + "\n" + string(admin.UserPassword)))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// checkLab refuses a change between --lab and normal use, so that a store in normal use never has the public
// secret of laboratories.
func (b *Bootstrap) checkLab(rec *record, admin datadir.Admin) error {
	public := admin.ClientID == b.WellKnown.ClientID || admin.ClientSecret == b.WellKnown.ClientSecret ||
		b.WellKnown.UserPassword != "" && admin.UserPassword == b.WellKnown.UserPassword
	switch {
	case !b.Lab && (public || rec != nil && rec.Lab):
		return errIsLab
	case b.Lab && (!public || rec != nil && !rec.Lab):
		return errNoLab
	}
	return nil
}

// known reports whether the administrator's secret is already valid in the store.
func (b *Bootstrap) known(ctx context.Context, rec *record, admin datadir.Admin) (bool, error) {
	if rec == nil {
		return false, nil
	}
	_, err := b.Directory.Authenticate(ctx, admin.TenantID, admin.ClientID, directory.SecretText(admin.ClientSecret))
	switch {
	case err == nil, errors.Is(err, directory.ErrDisabled):
		return true, nil
	case errors.Is(err, directory.ErrUnknownApplication), errors.Is(err, directory.ErrWrongSecret), errors.Is(err, directory.ErrExpiredSecret):
		return false, nil
	}
	return false, fmt.Errorf("look for the administrator: %w", err)
}

// make creates or updates the objects of the administrator in one transaction. first says that there was no record.
func (b *Bootstrap) make(ctx context.Context, rec *record, admin datadir.Admin, first bool) error {
	now := b.Now().UTC()
	secret, err := directory.NewSecret(object(admin.ClientID, "secret"), directory.SecretText(admin.ClientSecret), now, now.Add(secretLife))
	if err != nil {
		return fmt.Errorf("clientSecret in %s: %w", b.Dir.Path(datadir.AdminFile), err)
	}
	var password directory.PasswordHash
	if rec.Password != fingerprint(admin) {
		password, err = b.Directory.HashPassword(ctx, directory.PasswordText(admin.UserPassword), throttle.Waiter{})
		if err != nil {
			return fmt.Errorf("userPassword in %s: %w", b.Dir.Path(datadir.AdminFile), err)
		}
	}
	var made record
	_, err = b.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := records.Get(tx, recordKey); first && !errors.Is(err, store.ErrNotFound) {
			return cmp.Or(err, errBegun)
		}
		if err := b.tenant(tx, admin); err != nil {
			return err
		}
		if err := b.Resources.EnsureSubscription(tx, admin.TenantID, admin.SubscriptionID, "Midas"); err != nil {
			return err
		}
		if err := b.application(tx, admin, secret); err != nil {
			return err
		}
		if err := b.principal(tx, admin); err != nil {
			return err
		}
		made = *rec
		if err := b.user(tx, &made, admin, password); err != nil {
			return err
		}
		if err := b.assignDirectoryRole(tx, &made, admin); err != nil {
			return err
		}
		if err := b.keep(&made, admin); err != nil {
			return err
		}
		return save(tx, made)
	})
	if err == nil {
		*rec = made
	}
	return err
}

// user creates the administrator's user, or replaces its password by that of admin.json.
func (b *Bootstrap) user(tx store.Tx, rec *record, admin datadir.Admin, password directory.PasswordHash) error {
	if rec.Password == fingerprint(admin) {
		return nil
	}
	rec.Password = fingerprint(admin)
	id := object(admin.ClientID, "user")
	err := b.Directory.SetPassword(tx, admin.TenantID, id, password)
	if errors.Is(err, directory.ErrNotFound) {
		err = b.Directory.CreateUser(tx, directory.User{
			ID: id, TenantID: admin.TenantID, UserPrincipalName: admin.UserName, DisplayName: administrator,
			MailNickname: userName, Enabled: true,
		}, password)
	}
	if err != nil {
		return fmt.Errorf("userName and userPassword in %s: %w", b.Dir.Path(datadir.AdminFile), err)
	}
	return nil
}

// assignDirectoryRole makes the application and the user Global Administrators, once.
func (b *Bootstrap) assignDirectoryRole(tx store.Tx, rec *record, admin datadir.Admin) error {
	if rec.Administrator {
		return nil
	}
	rec.Administrator = true
	for _, id := range []string{object(admin.ClientID, "principal"), object(admin.ClientID, "user")} {
		err := b.Directory.AssignDirectoryRole(tx, admin.TenantID, directory.GlobalAdministrator, id)
		if err != nil && !errors.Is(err, directory.ErrExists) {
			return err
		}
	}
	return nil
}

func (b *Bootstrap) tenant(tx store.Tx, admin datadir.Admin) error {
	_, err := b.Directory.Tenant(tx, admin.TenantID)
	if !errors.Is(err, directory.ErrNotFound) {
		return err
	}
	return b.Directory.PutTenant(tx, directory.Tenant{ID: admin.TenantID, DisplayName: "Midas", DefaultDomain: domain})
}

// application creates the administrator's application, or replaces its secret. The old secret must not stay
// valid, because an operator may have removed admin.json after a leak.
func (b *Bootstrap) application(tx store.Tx, admin datadir.Admin, secret directory.Secret) error {
	_, err := b.Directory.ApplicationByAppID(tx, admin.TenantID, admin.ClientID)
	if errors.Is(err, directory.ErrNotFound) {
		return b.Directory.CreateApplication(tx, directory.Application{
			ID: object(admin.ClientID, "application"), AppID: admin.ClientID, TenantID: admin.TenantID,
			DisplayName: administrator, Secrets: []directory.Secret{secret},
		})
	}
	if err != nil {
		return err
	}
	err = b.Directory.RemoveSecret(tx, admin.TenantID, admin.ClientID, secret.KeyID)
	if err != nil && !errors.Is(err, directory.ErrNotFound) {
		return err
	}
	return b.Directory.AddSecret(tx, admin.TenantID, admin.ClientID, secret)
}

func (b *Bootstrap) principal(tx store.Tx, admin datadir.Admin) error {
	_, err := b.Directory.ServicePrincipalByAppID(tx, admin.TenantID, admin.ClientID)
	if !errors.Is(err, directory.ErrNotFound) {
		return err
	}
	return b.Directory.CreateServicePrincipal(tx, directory.ServicePrincipal{
		ID: object(admin.ClientID, "principal"), AppID: admin.ClientID, TenantID: admin.TenantID,
		DisplayName: administrator, Type: directory.TypeApplication, Enabled: true,
	})
}

// object derives the ids of the administrator's objects from its client id, so that they are the same in a
// store in memory after a restart.
func object(clientID, what string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("midas:"+clientID+"/"+what)).String()
}

// assign assigns the Owner roles at the subscription, and records the assignments.
func (b *Bootstrap) assign(ctx context.Context, rec *record, admin datadir.Admin) error {
	if !rec.Owner {
		if err := b.assignOwner(ctx, admin, "assignment", object(admin.ClientID, "principal"), directory.ObjectServicePrincipal); err != nil {
			return err
		}
	}
	if !rec.UserOwner {
		if err := b.assignOwner(ctx, admin, "user assignment", object(admin.ClientID, "user"), directory.ObjectUser); err != nil {
			return err
		}
	}
	rec.Owner, rec.UserOwner = true, true
	_, err := b.Store.Update(ctx, func(tx store.Tx) error { return save(tx, *rec) })
	return err
}

// assignOwner makes a principal Owner of the subscription.
func (b *Bootstrap) assignOwner(ctx context.Context, admin datadir.Admin, what, principal, kind string) error {
	scope, name := "/subscriptions/"+admin.SubscriptionID, object(admin.ClientID, what)
	event := activity.Event{
		TenantID: admin.TenantID, SubscriptionID: admin.SubscriptionID,
		ResourceID: scope + "/providers/Microsoft.Authorization/roleAssignments/" + name, ResourceType: "Microsoft.Authorization/roleAssignments",
		Operation: "Microsoft.Authorization/roleAssignments/write", Caller: admin.ClientID,
		CallerObjectID: object(admin.ClientID, "principal"),
	}
	_, err := b.RBAC.PutAssignment(ctx, event, rbac.Assignment{
		Name: name, Scope: scope, TenantID: admin.TenantID, DefinitionID: rbac.OwnerID, PrincipalID: principal, PrincipalType: kind,
	})
	return err
}

func save(tx store.Tx, rec record) error { return records.Put(tx, recordKey, rec) }
