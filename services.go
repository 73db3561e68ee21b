package midas

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/activity"
	"midas/internal/api/checkaccess"
	"midas/internal/api/graph"
	"midas/internal/api/home"
	"midas/internal/api/hosts"
	"midas/internal/api/httpx"
	"midas/internal/api/login"
	"midas/internal/api/management"
	"midas/internal/api/signin"
	"midas/internal/arm"
	"midas/internal/bootstrap"
	"midas/internal/clock"
	"midas/internal/compute"
	"midas/internal/datadir"
	"midas/internal/decision"
	"midas/internal/directory"
	"midas/internal/explain"
	"midas/internal/federation"
	"midas/internal/fleet"
	"midas/internal/grant"
	"midas/internal/hierarchy"
	"midas/internal/identity"
	"midas/internal/installation"
	"midas/internal/localca"
	"midas/internal/lock"
	"midas/internal/ops"
	"midas/internal/rbac"
	"midas/internal/replica"
	"midas/internal/resource"
	"midas/internal/retention"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/subscription"
	"midas/internal/throttle"
	"midas/internal/token"
	"midas/internal/trace"
)

// services are the domain services of one server. All of them use one store.
type services struct {
	cfg          Config
	origin       string
	agentsOrigin string // the URL at which agents reach this replica
	dir          *datadir.Dir
	store        *opened
	log          *slog.Logger
	clock        *clock.Clock
	now          func() time.Time
	newID        func() string
	sealing      *seal.Keyring // the store keys
	installation *installation.Installation

	admin         Admin
	activity      *activity.Log
	directory     *directory.Directory
	rbac          *rbac.Service
	locks         *lock.Service
	resources     *resource.Service
	hierarchy     *hierarchy.Service
	subscriptions *subscription.Service
	identities    *identity.Service
	compute       *compute.Service
	fleet         *fleet.Fleet
	grants        *grant.Grants
	throttle      *throttle.Table
	passwords     *throttle.PasswordLimiter
	keys          *token.Keys
	minter        *token.Minter
	verifier      *token.Verifier
	documents     *localca.Signer
	retention     *retention.Guard
	issuers       *federation.Issuers
	issuerFetches *prometheus.CounterVec
	replicas      *replica.Registry
	lease         *replica.Lease
	tracer        *trace.Tracer // nil without traces
	lab           *laboratory   // nil without Config.Lab
	lastBackup    atomic.Int64  // seconds since 1970; 0 without one

	authorities localca.Authorities
}

// userDataPurpose is the purpose under which user data are sealed in the store. It must not change: data
// that were sealed under another purpose cannot be opened.
const userDataPurpose = "midas user data"

// administratorPurpose is the purpose under which the administrator's credentials are sealed in the store. It must
// not change.
const administratorPurpose = "midas administrator"

// newServices wires the services. On the first start it also creates the tenant, the subscription and the
// administrator.
func newServices(ctx context.Context, cfg Config, at local, st *opened, shared *installation.Installation, by localca.Authorities) (*services, error) {
	r := &services{
		cfg: cfg, origin: at.origin, dir: at.dir, store: st, installation: shared, log: cfg.logger(), clock: at.clock, now: at.clock.Func(), newID: uuid.NewString,
		documents: by.Local.Signer(), authorities: by, tracer: at.tracer,
		sealing: shared.Keys(), agentsOrigin: cfg.agentsOrigin(at.address, at.origin),
	}
	r.openReplicas(r.agentsOrigin)
	if err := r.openIssuers(); err != nil {
		return nil, err
	}
	if err := r.openDirectory(ctx); err != nil {
		return nil, err
	}
	owners, workers := map[string]resource.Owner{}, map[string]resource.Worker{} // openIdentities fills them
	if err := r.openResources(owners, workers); err != nil {
		return nil, err
	}
	r.openIdentities(ctx, owners, workers)
	if err := r.openTokens(ctx); err != nil {
		return nil, err
	}
	if err := r.openGrants(); err != nil {
		return nil, err
	}
	return r, r.openAdministrator(ctx)
}

// openDirectory opens what the services of resources record: the guard of retention, the activity log and the directory.
func (r *services) openDirectory(ctx context.Context) (err error) {
	// Opened before anything is written, because it reads the newest time in the store.
	if r.retention, err = retention.Open(ctx, retention.Config{Store: r.store, Now: r.now, Uptime: r.clock.Uptime(), Log: r.log, Agree: r.replicas.ClocksAgree}); err != nil {
		return err
	}
	r.activity = &activity.Log{
		Store: r.store, Now: r.now, NewID: r.newID, Logger: r.log, Retention: r.retention, Shared: r.store.shared(),
		MaxAge: r.cfg.Activity.MaxAge, MaxBytes: int64(r.cfg.Activity.MaxSize),
	}
	r.directory = &directory.Directory{
		Store: r.store, Now: r.now, NewID: r.newID, Hosts: r.cfg.names(r.origin), Logger: r.log, LongestToken: longestToken,
	}
	r.openLab()
	if r.store.shared() {
		r.directory.Latest = r.replicas.Latest
	}
	if err := r.directory.AdoptRevocations(ctx); err != nil {
		r.log.WarnContext(ctx, "the list of revocations may lack some of an earlier version; the next start tries again", "cause", err)
	}
	return nil
}

// openResources makes the services of scopes: resources, their hierarchy, and the role assignments and locks on them.
func (r *services) openResources(owners map[string]resource.Owner, workers map[string]resource.Worker) error {
	userData, err := seal.New(r.sealing, userDataPurpose)
	if err != nil {
		return err
	}
	r.rbac = rbac.New(rbac.Config{Store: r.store, Log: r.activity, Now: r.now, Principals: r.principals(), Effective: r.effective()})
	r.locks = lock.New(lock.Config{Store: r.store, Log: r.activity, Now: r.now})
	r.resources = resource.New(resource.Config{
		Retention: r.retention, Log: r.activity, Store: r.store, Now: r.now, NewID: r.newID, Logger: r.log,
		Owners: owners, Workers: workers, Scopes: resource.AllScopes{r.rbac, r.locks},
		Types: slices.Concat(identity.Types(), compute.Types()), UserData: userData,
	})
	r.locks.Scope = r.resources.CheckNotDeletingWithAncestors
	r.hierarchy = hierarchy.New(hierarchy.Config{
		Store: r.store, Log: r.activity, Now: r.now, Resources: r.resources, DeleteScope: r.rbac.DeleteManagementGroup,
	})
	r.subscriptions = subscription.New(subscription.Config{
		Store: r.store, Log: r.activity, Now: r.now, NewID: r.newID, Resources: r.resources, Hierarchy: r.hierarchy,
	})
	r.rbac.Scope, r.rbac.Above, r.directory.CheckNotDeleting = r.hierarchy.CheckScope, r.hierarchy.Above, r.resources.CheckNotDeletingWithAncestors
	return nil
}

// openIdentities makes the services of identities and of the machines that use them, and connects them with the resources.
func (r *services) openIdentities(ctx context.Context, owners map[string]resource.Owner, workers map[string]resource.Worker) {
	r.identities = identity.New(identity.Config{
		Resources: r.resources, Directory: r.directory, Log: r.activity, Store: r.store, Now: r.now, NewID: r.newID,
		Writers: r.writers(),
	})
	r.resources.Ending = r.identities.Ending
	r.compute = &compute.Service{Resources: r.resources, Now: r.now, NewID: r.newID}
	workers[compute.ScaleOperation], workers[identity.RestrictOperation] = r.compute.Scale, r.identities.Restrict
	r.fleet = fleet.New(fleet.Config{
		Store: r.store, Log: r.activity, Resources: r.resources, Identities: r.identities, Authority: r.authorities.Hosts,
		Logger: r.log, Now: r.now, NewID: r.newID, Retention: r.retention, UserData: r.compute.WithUserData,
		Locked: func(tx store.Tx, id arm.ID) error { return r.locks.Check(tx, lock.Write, id) }, Head: r.store.head(),
	})
	if err := r.resources.RemoveSecrets(ctx, r.compute.AdoptUserData); err != nil {
		r.log.WarnContext(ctx, "stored resources may still hold secrets, which are not shown; the next start tries again", "cause", err)
	}
	owners[identity.Type.Key()], r.resources.Identities = r.identities, identity.ManagedServiceIdentityOwner{Service: r.identities}
}

// openAdministrator reads the administrator's credentials. On the first start it makes the administrator, the tenant and the
// subscription.
func (r *services) openAdministrator(ctx context.Context) error {
	credentials, err := seal.New(r.sealing, administratorPurpose)
	if err != nil {
		return err
	}
	first := bootstrap.Bootstrap{
		Sealer: credentials, Shared: r.store.shared(),
		Dir: r.dir, Store: r.store, Directory: r.directory, Resources: r.resources, RBAC: r.rbac,
		Now: r.now, NewID: r.newID, WellKnown: wellKnown(), Lab: r.cfg.Lab,
	}
	r.admin, err = first.Run(ctx, r.origin)
	return err
}

// openGrants makes what remembers sign-ins, and what limits them.
func (r *services) openGrants() error {
	sealer, err := grant.NewSealer(r.sealing)
	if err != nil {
		return err
	}
	r.grants = &grant.Grants{
		Store: r.store, Sealer: sealer, Now: r.now, NewID: r.newID, Log: r.log, Retention: r.retention, Overlap: r.cfg.SignIn.RefreshOverlap,
		Shared: r.store.shared(),
	}
	r.throttle = &throttle.Table{Now: r.now}
	r.passwords = &throttle.PasswordLimiter{Table: r.throttle, Familiar: r.grants}
	return nil
}

// openTokens opens the signing keys, and makes the minter and the verifier that use them.
func (r *services) openTokens(ctx context.Context) (err error) {
	config := r.cfg.keys(r.store, r.sealing, r.log, r.now)
	config.Retention, config.Background = r.retention, r.store.kind.volatile
	if config.Shared = r.store.shared(); config.Shared {
		config.Earliest, config.HeldBack = r.replicas.Earliest, replica.MostHeldBack
	}
	if r.keys, err = token.OpenKeys(ctx, config); err != nil {
		return err
	}
	r.minter = token.NewMinter(&token.Issuer{Keys: r.keys, Now: r.now, NewID: r.newID, Origin: r.origin})
	r.verifier = &token.Verifier{Keys: r.keys, Now: r.now, Origin: r.origin}
	return nil
}

// router makes the handler of the main listener. Clients reach the server under names, besides localhost
// and IP addresses.
func (r *services) router(health *ops.Health, names []string, reg prometheus.Registerer) (*router, error) {
	pages, err := seal.NewPages(r.sealing)
	if err != nil {
		return nil, err
	}
	decider := &decision.Decider{RBAC: r.rbac, Directory: r.directory}
	signIns, err := signin.New(reg, r.log, r.now)
	if err != nil {
		return nil, err
	}
	trusts := newTrusts(r.store, r.identities, r.directory)
	signIn := login.New(&login.Config{
		Directory: r.directory, Grants: r.grants, Minter: r.minter, Tokens: r.verifier, HomeTenant: r.admin.TenantID,
		Now: r.now, NewID: r.newID, TokenLifetime: r.cfg.TokenLifetime, ManagedLifetime: r.cfg.IdentityTokenLifetime,
		ContinuousLifetime: r.cfg.ContinuousTokenLifetime,
		SessionLifetime:    r.cfg.SignIn.SessionLifetime, SessionIdle: r.cfg.SignIn.SessionIdle,
		Throttle: r.throttle, Passwords: r.passwords, Federated: trusts.of, Issuers: r.issuers, SignIns: signIns,
	})
	arms, err := management.New(management.Handler{
		Origin: r.origin, HomeTenant: r.admin.TenantID, Tokens: r.verifier, RBAC: r.rbac, Directory: r.directory,
		Explain:   &explain.Service{RBAC: r.rbac, Directory: r.directory, Locks: r.locks, Resources: r.resources},
		Resources: r.resources, Hierarchy: r.hierarchy, Subscriptions: r.subscriptions, Identities: r.identities, Compute: r.compute, Fleet: r.fleet, Decider: decider, Locks: r.locks, Namespaces: r.cfg.Namespaces,
		Activity: r.activity, Store: r.store, Pages: pages, Now: r.now, NewID: r.newID, Exchanges: signIn,
		Inspect: func(issuer string) federation.Inspection { return r.issuers.Inspect(context.Background(), issuer) },
	})
	if err != nil {
		return nil, fmt.Errorf("make the management API: %w", err)
	}
	graphs, err := graph.New(graph.Handler{
		Origin: r.origin, Tokens: r.verifier, Directory: r.directory, Rights: r.rbac, Passwords: r.passwords, Store: r.store, Pages: pages, Now: r.now, NewID: r.newID,
	})
	if err != nil {
		return nil, fmt.Errorf("make the Graph API: %w", err)
	}
	if err := reg.Register(r.issuerFetches); err != nil {
		return nil, fmt.Errorf("register issuer metrics: %w", err)
	}
	agents := hosts.New(hosts.Handler{
		Fleet: r.fleet, Directory: r.directory, Minter: r.minter, Documents: r.documents, Log: r.log, SignIns: signIns,
		Now: r.now, TokenLifetime: r.cfg.IdentityTokenLifetime, Servers: r.agentServers(), Name: hostName(r.origin), Origin: r.agentsOrigin,
	})
	decisions := checkaccess.New(checkaccess.Handler{
		Origin: r.origin, Tokens: r.verifier, Directory: r.directory, Subscriptions: r.resources,
		Decider: decider, Store: r.store, Pages: pages,
	})
	homePage, err := home.New(home.Config{Origin: r.origin, Version: ThisBuild().String(), Lab: r.cfg.Lab, Docs: docs()})
	if err != nil {
		return nil, err
	}
	return &router{names: nameSet(names), health: health, home: homePage, login: signIn, management: &httpx.CrossOrigin{API: "management", Next: arms},
		graph: &httpx.CrossOrigin{API: "graph", Next: graphs}, hosts: agents, decisions: decisions, shared: r.store.shared()}, nil
}

// keys is the configuration of the signing keys in a store.
func (c Config) keys(st store.Store, master seal.Source, log *slog.Logger, now func() time.Time) token.KeysConfig {
	return token.KeysConfig{
		Store: st, Master: master, Now: now, Log: log,
		RotateEvery: c.Keys.RotateEvery, PublishBefore: c.Keys.PublishBefore, MaxTokenLifetime: longestToken,
	}
}
