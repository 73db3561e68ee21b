package midas_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"midas"
	"midas/internal/client"
	"midas/internal/datadir"
	"midas/internal/store"
	"midas/internal/store/pebble"
)

// followedEngine is an engine that several servers of a test use and follow, as they do etcd. It has no method OnCommit,
// so that a server does not take it for its own.
type followedEngine struct {
	sharedEngine
	head func() store.Revision
}

// Newest implements store.Shared.
func (e followedEngine) Newest(context.Context) (store.Revision, error) { return e.head(), nil }

// followedStore is sharedStore with an engine of which the servers keep caches.
func followedStore(t *testing.T) func() (store.Engine, error) {
	t.Helper()
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return func() (store.Engine, error) { return followedEngine{sharedEngine{engine}, engine.Head}, nil }
}

// TestRightsAndTokensEndAtEveryReplica takes a role away and deletes a client at one replica while the others have
// decided with them a moment before.
func TestRightsAndTokensEndAtEveryReplica(t *testing.T) {
	rightsEnd(t, startReplicasOn(t, followedStore(t)))
}

func rightsEnd(t *testing.T, r *replicas) {
	ctx, admin := t.Context(), r.admins[0]
	app, err := admin.CreateApp(ctx, client.NewApp{DisplayName: "reader"})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := r.admins[1].AddSecret(ctx, app.ClientID, "s", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	assignment, err := r.admins[2].AssignRole(ctx, app.ClientID, "Reader", "")
	if err != nil {
		t.Fatal(err)
	}
	reader := *r.admins[1]
	reader.ClientID, reader.ClientSecret = app.ClientID, datadir.Secret(secret)
	raw, err := reader.Token(ctx, "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	groups := "/subscriptions/" + admin.SubscriptionID + "/resourceGroups?api-version=2021-04-01"
	answers := func(i, want int) func() bool {
		return func() bool { status, _ := r.arm(t, i, "GET", groups, raw); return status == want }
	}
	for i := range r.servers {
		soon(t, "the role holds", answers(i, 200))
	}
	if status, body := r.arm(t, 0, "DELETE", assignment+"?api-version=2022-04-01", r.token(t, 0)); status != 200 {
		t.Fatalf("take the role away: %d %s", status, body)
	}
	for i := range r.servers {
		soon(t, "the role is taken away", answers(i, 403))
	}
	if err := r.admins[2].DeleteApp(ctx, app.ClientID); err != nil {
		t.Fatal(err)
	}
	for i := range r.servers {
		soon(t, "the token is refused", answers(i, 401))
		other := *r.admins[i]
		other.ClientID, other.ClientSecret = app.ClientID, datadir.Secret(secret)
		soon(t, "the client gets no token", func() bool { _, err := other.Token(ctx, "https://management.azure.com"); return err != nil })
	}
}

// TestAgentHearsOfChangesThroughOtherReplicas has an agent at one replica, and changes its machine at others.
func TestAgentHearsOfChangesThroughOtherReplicas(t *testing.T) { agentHears(t, followedStore(t)) }

func agentHears(t *testing.T, open func() (store.Engine, error)) {
	r := startReplicasOn(t, open)
	group := "/subscriptions/" + r.admins[0].SubscriptionID + "/resourceGroups/rg"
	machine := group + "/providers/Microsoft.Compute/virtualMachines/web"
	raw := r.token(t, 0)
	if status, body := r.arm(t, 0, "PUT", group+"?api-version=2021-04-01", raw); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	put := func(i int, identity string) {
		t.Helper()
		header := http.Header{"Authorization": {"Bearer " + raw}, "Content-Type": {"application/json"}}
		body := `{"location":"eastus","identity":{"type":"` + identity + `"}}`
		status, answer := forwarded(t, r.admins[i], "PUT", r.admins[i].Endpoint+machine+"?api-version=2024-03-01", body, header)
		if status != 200 && status != 201 {
			t.Fatalf("%d %s", status, answer)
		}
	}
	put(1, "None")
	cfg := replica(t, r.cfgs[0].MasterKey.File)
	cfg.Origin = r.cfgs[0].Origin
	cfg.Metadata = []midas.MetadataConfig{{Resource: machine, Listen: "127.0.0.1:0", Unlimited: true}}
	s, err := midas.StartOn(t.Context(), cfg, open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	url := s.MetadataURLs()[0]
	for i := range r.servers {
		until(t, url, 400)
		put(i, "SystemAssigned")
		until(t, url, 200)
		put((i+1)%3, "None")
	}
	until(t, url, 400)
}
