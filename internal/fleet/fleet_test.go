package fleet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/fleet"
	"midas/internal/host"
	"midas/internal/identity"
	"midas/internal/localca"
	"midas/internal/resource"
	"midas/internal/retention"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	tenant = "11111111-1111-4111-8111-111111111111"
	sub    = "22222222-2222-4222-8222-222222222222"
	group  = "/subscriptions/" + sub + "/resourceGroups/rg"
	vm     = group + "/providers/Microsoft.Compute/virtualMachines/web"
)

// noScopes replaces the service of role assignments. The tests have no role assignments.
type noScopes struct{}

func (noScopes) DeleteScope(context.Context, arm.ID) error { return nil }

// bench is a fleet over a store in memory, with a clock.
type bench struct {
	userData string // of every machine
	*fleet.Fleet
	store      store.Store
	resources  *resource.Service
	identities *identity.Service

	mu  sync.Mutex
	now time.Time
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(time.Microsecond) // each call returns another time
	return b.now
}

func (b *bench) forward(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{store: storetest.Memory(t), now: time.Now()}
	log := &activity.Log{Store: b.store, Now: b.clock, NewID: uuid.NewString}
	dir := &directory.Directory{Store: b.store, Now: b.clock, NewID: uuid.NewString}
	b.resources = resource.New(resource.Config{
		Log: log, Store: b.store, Now: b.clock, NewID: uuid.NewString, Owners: map[string]resource.Owner{}, Scopes: noScopes{},
		Logger: slog.New(slog.DiscardHandler),
	})
	b.identities = identity.New(identity.Config{Resources: b.resources, Directory: dir, Log: log, Store: b.store, Now: b.clock, NewID: uuid.NewString})
	b.resources.Owners[identity.Type.Key()], b.resources.Identities = b.identities, identity.ManagedServiceIdentityOwner{Service: b.identities}
	ca, err := localca.OpenHosts(t.TempDir(), b.clock)
	must(t, err)
	b.Fleet = fleet.New(fleet.Config{
		Store: b.store, Log: log, Resources: b.resources, Identities: b.identities, Authority: ca,
		Logger: slog.New(slog.DiscardHandler), Now: b.clock, NewID: uuid.NewString,
		UserData: func(rec resource.Record) (resource.Record, error) {
			if b.userData != "" {
				rec.Properties = json.RawMessage(`{"userData":"` + b.userData + `"}`)
			}
			return rec, nil
		},
	})
	_, err = b.store.Update(t.Context(), func(tx store.Tx) error {
		must(t, dir.PutTenant(tx, directory.Tenant{ID: tenant, DisplayName: "Test"}))
		return b.resources.EnsureSubscription(tx, tenant, sub, "Test")
	})
	must(t, err)
	b.make(t, group, "Microsoft.Resources/resourceGroups", "{}")
	b.make(t, vm, "Microsoft.Compute/virtualMachines", "{}")
	return b
}

// make stores a resource without checks.
func (b *bench) make(t *testing.T, spelled, typ, properties string) {
	t.Helper()
	id := parse(t, spelled)
	_, err := b.store.Update(t.Context(), func(tx store.Tx) error {
		return b.resources.Put(tx, id, resource.Record{
			ID: spelled, Type: arm.Type(typ), Name: id.Name(), Location: "eastus", State: resource.Succeeded, TenantID: tenant,
			Tags: map[string]string{"a": "1"}, Properties: json.RawMessage(properties), Created: b.clock(),
			Extra: map[string]json.RawMessage{"zones": json.RawMessage(`["2"]`)},
		})
	})
	must(t, err)
}

func (b *bench) remove(t *testing.T, spelled string) {
	t.Helper()
	id := parse(t, spelled)
	_, err := b.store.Update(t.Context(), func(tx store.Tx) error {
		rec, err := b.resources.Get(tx, id)
		if err != nil {
			return err
		}
		return b.resources.Remove(tx, id, rec)
	})
	must(t, err)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func parse(t testing.TB, s string) arm.ID {
	t.Helper()
	id, err := arm.ParseID(s)
	must(t, err)
	return id
}

func request(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func certificate(t *testing.T, a fleet.Enrollment) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(a.Certificate)
	c, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	return c
}

func (b *bench) newToken(t *testing.T) host.Secret {
	t.Helper()
	i, err := b.NewEnrollmentToken(t.Context(), activity.Event{}, parse(t, vm))
	must(t, err)
	return i.Token
}

func (b *bench) enroll(t *testing.T) (fleet.Host, *x509.Certificate) {
	t.Helper()
	a, err := b.Enroll(t.Context(), b.newToken(t), request(t), "192.0.2.1")
	must(t, err)
	return a.Host, certificate(t, a)
}

func wantUnknown(t *testing.T, b *bench, c *x509.Certificate) {
	t.Helper()
	if h, err := b.Authenticate(t.Context(), c); !errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("authenticated as %v (%v)", h.ID, err)
	}
}

// TestCertificateFromTheFutureIsNotUnknown has a replica whose clock is behind the one that has issued the certificate.
// Agents give up a host that is unknown, and ask again at a server that is unavailable.
func TestCertificateFromTheFutureIsNotUnknown(t *testing.T) {
	b := setup(t)
	_, c := b.enroll(t)
	early := *c
	early.NotBefore = b.Now().Add(time.Hour)
	if _, err := b.Authenticate(t.Context(), &early); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, fleet.ErrUnknown) {
		t.Errorf("a certificate that begins in an hour: %v", err)
	}
}

func TestEnrolledHostIsAuthenticated(t *testing.T) {
	b := setup(t)
	h, c := b.enroll(t)
	got, err := b.Authenticate(t.Context(), c)
	must(t, err)
	if got.ID != h.ID || got.Resource != vm || got.TenantID != tenant || got.Address != "192.0.2.1" {
		t.Errorf("%+v", got)
	}
	if life := c.NotAfter.Sub(b.clock()); life < 7*24*time.Hour-time.Minute || life > 7*24*time.Hour {
		t.Errorf("the certificate is valid for %s, want 7 days", life)
	}
	list, err := b.Hosts(t.Context(), parse(t, strings.ToUpper(vm)))
	if err != nil || len(list) != 1 || list[0].ID != h.ID {
		t.Errorf("hosts: %v %v", list, err)
	}
}

func TestEnrollmentTokenExpires(t *testing.T) {
	b := setup(t)
	late, early := b.newToken(t), b.newToken(t)
	b.forward(fleet.EnrollmentTokenLifetime - time.Minute)
	if _, err := b.Enroll(t.Context(), early, request(t), ""); err != nil {
		t.Errorf("before its end: %v", err)
	}
	b.forward(2 * time.Minute)
	if _, err := b.Enroll(t.Context(), late, request(t), ""); !errors.Is(err, fleet.ErrEnrollmentToken) {
		t.Errorf("after its end: %v, want %v", err, fleet.ErrEnrollmentToken)
	}
}

// A certificate may expire while its connection is open, and TLS checks it only in the handshake.
func TestExpiredCertificateIsRejected(t *testing.T) {
	b := setup(t)
	h, c := b.enroll(t)
	b.forward(4 * 24 * time.Hour)
	a, err := b.Renew(t.Context(), h, request(t))
	must(t, err)
	renewed := certificate(t, a)
	b.forward(4 * 24 * time.Hour)
	wantUnknown(t, b, c)
	if _, err := b.Authenticate(t.Context(), renewed); err != nil {
		t.Errorf("renewed certificate: %v", err)
	}
}

func TestDeletingTheResourceOrRecordRevokesTheHost(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *bench, fleet.Host){
		"deleted": func(t *testing.T, b *bench, _ fleet.Host) { b.remove(t, vm) },
		"created again": func(t *testing.T, b *bench, _ fleet.Host) {
			b.remove(t, vm)
			b.make(t, vm, "Microsoft.Compute/virtualMachines", "{}")
		},
		"revoked": func(t *testing.T, b *bench, h fleet.Host) {
			if existed, err := b.Revoke(t.Context(), activity.Event{}, parse(t, vm), h.ID); err != nil || !existed {
				t.Errorf("%v %v", existed, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			h, c := b.enroll(t)
			end(t, b, h)
			wantUnknown(t, b, c)
			if _, err := b.Renew(t.Context(), h, request(t)); !errors.Is(err, fleet.ErrUnknown) {
				t.Errorf("renewal: %v, want %v", err, fleet.ErrUnknown)
			}
		})
	}
}

func TestCertificatesOfOtherSubjectsAreRejected(t *testing.T) {
	b := setup(t)
	h, c := b.enroll(t)
	for name, change := range map[string]func(*x509.Certificate){
		"no subject":     func(c *x509.Certificate) { c.URIs = nil },
		"two subjects":   func(c *x509.Certificate) { c.URIs = append(c.URIs, c.URIs...) },
		"another scheme": func(c *x509.Certificate) { u := *c.URIs[0]; u.Scheme = "https"; c.URIs[0] = &u },
		"another host": func(c *x509.Certificate) {
			u := *c.URIs[0]
			u.RawQuery = strings.Replace(u.RawQuery, h.ID, uuid.NewString(), 1)
			c.URIs[0] = &u
		},
		"another resource": func(c *x509.Certificate) { u := *c.URIs[0]; u.Path = vm + "2"; c.URIs[0] = &u },
		"no resource":      func(c *x509.Certificate) { u := *c.URIs[0]; u.Path = "x"; c.URIs[0] = &u },
		"another time": func(c *x509.Certificate) {
			u := *c.URIs[0]
			u.RawQuery = strings.Replace(u.RawQuery, fmt.Sprint(h.Made), "1", 1)
			c.URIs[0] = &u
		},
		"null in the host": func(c *x509.Certificate) { u := *c.URIs[0]; u.RawQuery = "host=%00&made=1"; c.URIs[0] = &u },
	} {
		t.Run(name, func(t *testing.T) {
			changed := *c
			changed.URIs = append(changed.URIs[:0:0], c.URIs...)
			change(&changed)
			wantUnknown(t, b, &changed)
		})
	}
}

func TestSweepDeletesExpiredRecords(t *testing.T) {
	b := setup(t)
	rows := func() (n int) {
		must(t, b.store.View(t.Context(), func(tx store.Tx) error {
			n = 0
			for _, err := range tx.Scan(store.Range{Prefix: "h/"}) {
				if n++; err != nil {
					return err
				}
			}
			return nil
		}))
		return n
	}
	for range 100 { // more than a page
		b.enroll(t)
		b.newToken(t)
	}
	must(t, b.Sweep(t.Context()))
	if n := rows(); n != 300 { // hosts, used tokens, unused ones
		t.Errorf("%d records before any has expired, want 300", n)
	}
	b.forward(time.Hour)
	must(t, b.Sweep(t.Context()))
	if n := rows(); n != 100 {
		t.Errorf("%d records after the enrollment tokens have expired, want 100", n)
	}
	b.remove(t, vm)
	must(t, b.Sweep(t.Context()))
	if n := rows(); n != 0 {
		t.Errorf("%d records after the resource was deleted, want 0", n)
	}
}

// While the clock is a year ahead, hosts and enrollment tokens seem to have expired, and must be kept. Hosts of
// deleted resources are deleted at any time.
func TestSweepKeepsHostsWhileTheClockIsWrong(t *testing.T) {
	b := setup(t)
	var err error
	b.Fleet.Retention, err = retention.Open(t.Context(), retention.Config{
		Store: b.store, Now: b.clock, Uptime: func() time.Duration { return time.Hour }, Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	h, cert := b.enroll(t)
	b.forward(365 * 24 * time.Hour)
	must(t, b.Sweep(t.Context()))
	b.forward(-365 * 24 * time.Hour)
	if _, err := b.Authenticate(t.Context(), cert); err != nil {
		t.Errorf("the host %s was deleted: %v", h.ID, err)
	}
	b.remove(t, vm)
	must(t, b.Sweep(t.Context()))
	must(t, b.store.View(t.Context(), func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Range{Prefix: store.HostKind.Keys}) {
			t.Errorf("%s is left (%v)", rec.Key, err)
		}
		return nil
	}))
}

func TestCertificateIsAcceptedAfterASmallClockStep(t *testing.T) {
	b := setup(t)
	_, cert := b.enroll(t)
	b.forward(-9 * time.Minute) // certificates are valid from five minutes before their issue, and five minutes of clock skew are accepted
	if _, err := b.Authenticate(t.Context(), cert); err != nil {
		t.Error(err)
	}
	b.forward(-2 * time.Minute)
	if _, err := b.Authenticate(t.Context(), cert); err == nil {
		t.Error("a certificate that begins in six minutes is accepted")
	}
}

func TestDescriptionHasNoSecretsAndOnlyInterfacesOfItsGroup(t *testing.T) {
	b := setup(t)
	other := "/subscriptions/" + sub + "/resourceGroups/other"
	const nics = "/providers/Microsoft.Network/networkInterfaces/"
	b.make(t, other, "Microsoft.Resources/resourceGroups", "{}")
	b.make(t, group+nics+"mine", "Microsoft.Network/networkInterfaces", `{"macAddress":"1"}`)
	b.make(t, other+nics+"theirs", "Microsoft.Network/networkInterfaces", `{"macAddress":"2"}`)
	b.remove(t, vm)
	b.make(t, vm, "Microsoft.Compute/virtualMachines", fmt.Sprintf(
		`{"osProfile":{"computerName":"c","adminPassword":"SECRET","customData":"SECRET","Secrets":["SECRET"]},"networkProfile":{"networkInterfaces":[{"id":%q},{"id":%q},{"id":%q},{"id":"x"}]}}`,
		group+nics+"mine", other+nics+"theirs", group+nics+"gone"))
	h, _ := b.enroll(t)
	in, err := b.Describe(t.Context(), h)
	must(t, err)
	if strings.Contains(string(in.Properties), "SECRET") || !strings.Contains(string(in.Properties), `"computerName":"c"`) {
		t.Errorf("properties %s", in.Properties)
	}
	if len(in.Interfaces) != 1 || string(in.Interfaces[0]) != `{"macAddress":"1"}` {
		t.Errorf("interfaces %s", in.Interfaces)
	}
	if diff := cmp.Diff([]string{"2"}, in.Zones); diff != "" || in.SubscriptionID != sub || in.ResourceGroup != "rg" || in.Name != "web" || in.Tags["a"] != "1" {
		t.Errorf("%s %+v", diff, in)
	}
	b.userData = "eA=="
	if with, err := b.Describe(t.Context(), h); err != nil || string(with.Properties) != `{"userData":"eA=="}` {
		t.Errorf("properties with user data: %s %v", with.Properties, err)
	}
	b.userData = ""
	before := in.UniqueID
	b.remove(t, vm)
	b.make(t, vm, "Microsoft.Compute/virtualMachines", "{}")
	h, _ = b.enroll(t)
	if in, err = b.Describe(t.Context(), h); err != nil || in.UniqueID == before {
		t.Errorf("a later machine has the unique id of the first (%v)", err)
	}
}

func TestWatchersAreWokenByRelevantChanges(t *testing.T) {
	b := setup(t)
	h, _ := b.enroll(t)
	b.make(t, vm+"2", "Microsoft.Compute/virtualMachines", "{}")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	changed, end := b.Watch(parse(t, vm))
	defer end()
	go func() { done <- b.Run(ctx) }()
	<-changed // Run begins by waking all watchers
	if _, err := b.Revoke(t.Context(), activity.Event{}, parse(t, vm+"2"), "x"); err != nil {
		t.Error(err)
	}
	select {
	case <-changed:
		t.Error("woken by a change of another resource")
	default:
	}
	if _, err := b.Revoke(t.Context(), activity.Event{}, parse(t, vm), h.ID); err != nil {
		t.Error(err)
	}
	<-changed
	b.remove(t, vm)
	<-changed
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A lock that is created after a token stops the enrollment, but not that of the server's own agents, and not what
// enrolled hosts do. The token is not used up.
func TestALockStopsEnrollments(t *testing.T) {
	b := setup(t)
	guarded := activity.Event{Guard: func(store.Tx) error { return nil }}
	token, err := b.NewEnrollmentToken(t.Context(), guarded, parse(t, vm))
	must(t, err)
	own := b.newToken(t)
	h, c := b.enroll(t)
	locked := errors.New("locked")
	b.Locked = func(_ store.Tx, resource arm.ID) error {
		if !arm.SameName(resource.String(), vm) {
			t.Errorf("asked for %s", resource)
		}
		return locked
	}
	if _, err := b.Enroll(t.Context(), token.Token, request(t), ""); !errors.Is(err, fleet.ErrLocked) {
		t.Errorf("under a lock: %v, want %v", err, fleet.ErrLocked)
	}
	if _, err := b.Enroll(t.Context(), own, request(t), ""); err != nil {
		t.Errorf("an agent of the server: %v", err)
	}
	if _, err := b.Authenticate(t.Context(), c); err != nil {
		t.Errorf("an enrolled host: %v", err)
	}
	if _, err := b.Renew(t.Context(), h, request(t)); err != nil {
		t.Errorf("renew: %v", err)
	}
	b.Locked = nil
	if _, err := b.Enroll(t.Context(), token.Token, request(t), ""); err != nil {
		t.Errorf("without the lock: %v", err)
	}
}
