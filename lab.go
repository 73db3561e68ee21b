package midas

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/identity"
	"midas/internal/lab"
	"midas/internal/rbac"
	"midas/internal/store"
)

// The well-known ids, secret and password of a server with Config.Lab, for scripts that are
// written before the server runs. They are public and protect nothing.
const (
	LabTenantID       = "10000000-0000-4000-8000-000000000001"
	LabSubscriptionID = "10000000-0000-4000-8000-000000000002"
	LabClientID       = "10000000-0000-4000-8000-000000000003"
	LabClientSecret   = "midas-lab-secret-that-everyone-knows"
	LabUserName       = "admin@midas.localhost"
	LabUserPassword   = "Midas-lab-password-that-everyone-knows-1"
)

func wellKnown() Admin {
	return Admin{
		TenantID: LabTenantID, SubscriptionID: LabSubscriptionID, ClientID: LabClientID, ClientSecret: LabClientSecret,
		UserName: LabUserName, UserPassword: LabUserPassword,
	}
}

// laboratory is the state of a server with Config.Lab that is not in the store.
type laboratory struct {
	ids       lab.IDs
	faults    lab.Faults
	delays    lab.Delays
	conflicts bool // Config.LabWriteConflicts
}

// openLab connects the laboratory with the services. It has no effect without Config.Lab.
func (r *services) openLab() {
	if !r.cfg.Lab {
		return
	}
	r.lab = &laboratory{delays: lab.Delays{Now: r.now}, conflicts: r.cfg.LabWriteConflicts}
	r.directory.Reservations = &r.lab.ids
	r.lab.begin()
}

// begin puts in force what the configuration asks for, and nothing else.
func (l *laboratory) begin() {
	l.faults.Clear()
	l.ids.Clear()
	l.delays.Clear()
	if l.conflicts {
		l.delays.Refuse409()
	}
}

// inject is httpx.Options.Inject: the faults, and the count of requests to Azure Resource Manager.
func (l *laboratory) inject(r *http.Request, ev *httpx.Event) error {
	if err := l.faults.Inject(r, ev); err != nil {
		return err
	}
	return l.delays.Count(r, ev)
}

// leastWrite is how long a write to the federated credentials of an identity takes at least while concurrent ones are
// refused.
const leastWrite = 250 * time.Millisecond

// writers refuses concurrent writes to federated credentials when the laboratory says so; nil without a laboratory.
func (r *services) writers() *identity.Writers {
	if r.lab == nil {
		return nil
	}
	return &identity.Writers{Least: leastWrite, On: r.lab.delays.Conflicts}
}

// effective is rbac.Config.Effective; nil without a laboratory.
func (r *services) effective() func() func(time.Time) bool {
	if r.lab == nil {
		return nil
	}
	return r.lab.delays.Effective
}

// principals finds the principals of role assignments, which in a laboratory may be propagated late.
func (r *services) principals() rbac.PrincipalSource {
	if r.lab == nil {
		return r.directory
	}
	return &lab.Principals{Delays: &r.lab.delays, Type: r.directory.PrincipalType, Created: r.principalCreated}
}

// principalCreated returns when a principal was created.
func (r *services) principalCreated(ctx context.Context, tenant, id string) (created time.Time, err error) {
	err = r.store.View(ctx, func(tx store.Tx) error {
		p, err := r.directory.ServicePrincipal(tx, tenant, id)
		if created = p.Created; !errors.Is(err, directory.ErrNotFound) {
			return err
		}
		u, err := r.directory.User(tx, tenant, id)
		if created = u.Created; !errors.Is(err, directory.ErrNotFound) {
			return err
		}
		g, err := r.directory.Group(tx, tenant, id)
		created = g.Created
		return err
	})
	return created, err
}

// laboratory returns the handler of the laboratory API; nil without Config.Lab.
func (s *Server) laboratory() httpx.Handler {
	r := s.services
	if r.lab == nil {
		return nil
	}
	return lab.New(&lab.Handler{
		Admin: r.admin, Audiences: r.labAudiences(), Tokens: r.verifier, Directory: r.directory, Store: r.store, Log: r.log,
		IDs: &r.lab.ids, Clock: s.clock, Faults: &r.lab.faults, Delays: &r.lab.delays, Resetter: s,
		Remote: r.reachedRemotely(), Shared: r.store.shared(),
	})
}

// labAudiences are the names of Azure Resource Manager, and of the server itself.
func (r *services) labAudiences() map[string]bool {
	set := map[string]bool{r.origin: true, r.origin + "/": true}
	for _, name := range directory.ResourceNames(directory.ARMAppID) {
		set[name] = true
	}
	return set
}

// reachedRemotely reports whether the operator has given names of the server that other machines can use.
func (r *services) reachedRemotely() bool {
	return slices.ContainsFunc(r.cfg.names(r.origin), func(name string) bool {
		ip, err := netip.ParseAddr(name)
		return azure.Name(name) != "localhost" && (err != nil || !ip.IsLoopback())
	})
}
