package midas_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"midas"
	"midas/internal/client"
	"midas/internal/store"
)

// replicas are three servers on one store, with their administrators.
type replicas struct {
	cfgs    []midas.Config
	servers []*midas.Server
	admins  []*client.Client // admins[i] sends its requests to servers[i]
}

// startReplicasOn starts three servers at the same moment on an empty store.
func startReplicasOn(t *testing.T, open func() (store.Engine, error)) *replicas {
	t.Helper()
	master := masterFile(t, "b")
	r := &replicas{cfgs: make([]midas.Config, 3), servers: make([]*midas.Server, 3), admins: make([]*client.Client, 3)}
	var starting sync.WaitGroup
	for i := range r.servers {
		cfg := replica(t, master)
		cfg.Origin = "https://localhost:8443"
		cfg.Keys.PublishBefore = time.Millisecond
		r.cfgs[i] = cfg
		starting.Go(func() {
			s, err := midas.StartOn(t.Context(), cfg, open)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { _ = s.Close() })
			r.servers[i] = s
		})
	}
	starting.Wait()
	for i := range r.servers {
		if r.servers[i] == nil {
			t.FailNow()
		}
		r.admins[i] = administratorAt(t, r.cfgs[i].Data)
	}
	return r
}

// administratorAt is the administrator, whose requests to the common origin go to the server of a data folder.
func administratorAt(t *testing.T, data string) *client.Client {
	t.Helper()
	c := administrator(t, data)
	address, err := c.Server(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	return c
}

// arm sends a request for a path to replica i with a token.
func (r *replicas) arm(t *testing.T, i int, method, path, token string) (int, string) {
	t.Helper()
	header, body := http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}, ""
	if method == "PUT" {
		body = `{"location":"eastus"}`
	}
	return forwarded(t, r.admins[i], method, r.admins[i].Endpoint+path, body, header)
}

// token is a new token from replica i.
func (r *replicas) token(t *testing.T, i int) string {
	t.Helper()
	raw, err := r.admins[i].Token(t.Context(), "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// publishes reports whether the key set of replica i has the key of a token.
func (r *replicas) publishes(t *testing.T, i int, raw string) bool {
	t.Helper()
	c := r.admins[i]
	status, set := get(t, c.HTTP, c.Endpoint+"/"+c.TenantID+"/discovery/v2.0/keys")
	return status == 200 && strings.Contains(set, `"`+keyOf(t, raw)+`"`)
}

func keyOf(t *testing.T, raw string) string {
	t.Helper()
	var header struct{ Kid string }
	data, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[0])
	if err == nil {
		err = json.Unmarshal(data, &header)
	}
	if err != nil {
		t.Fatal(err)
	}
	return header.Kid
}

// soon waits until ok, for as long as a change may take to hold at every replica. The bound is generous, because
// what is tested is that it holds without a restart or a sweep.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in time", what)
		}
	}
}

// onBothKinds runs a test on a store whose records the servers cache, and on one where they do not.
func onBothKinds(t *testing.T, test func(*testing.T, *replicas)) {
	for name, open := range map[string]func(*testing.T) func() (store.Engine, error){"cached": followedStore, "not cached": sharedStore} {
		t.Run(name, func(t *testing.T) { test(t, startReplicasOn(t, open(t))) })
	}
}

func TestReplicasRotateAndWithdrawKeysTogether(t *testing.T) { onBothKinds(t, rotateAndWithdraw) }

func rotateAndWithdraw(t *testing.T, r *replicas) {
	var rotating sync.WaitGroup
	for i := range r.servers { // at the same moment
		rotating.Go(func() {
			if _, err := midas.RotateKeys(t.Context(), quietOn(r.cfgs[i])); err != nil {
				t.Error(err)
			}
		})
	}
	for round := range 6 {
		for i := range r.servers {
			raw := r.token(t, i)
			for j := range r.servers {
				if !r.publishes(t, j, raw) {
					t.Errorf("round %d: replica %d does not publish the key with which replica %d signs", round, j, i)
				}
				if status := subscriptions(t, r.admins[j], raw); status != 200 {
					t.Errorf("round %d: replica %d answers a token of replica %d with %d", round, j, i, status)
				}
			}
		}
	}
	rotating.Wait()
	old := r.token(t, 2)
	if err := midas.WithdrawKey(t.Context(), quietOn(r.cfgs[0]), keyOf(t, old)); err != nil {
		t.Fatal(err)
	}
	for i := range r.servers {
		if r.publishes(t, i, old) {
			t.Errorf("replica %d publishes the withdrawn key", i)
		}
		soon(t, "the withdrawn key is refused", func() bool { return subscriptions(t, r.admins[i], old) == 401 })
	}
	fresh := r.token(t, 0)
	for i := range r.servers {
		if status := subscriptions(t, r.admins[i], fresh); status != 200 || !r.publishes(t, i, fresh) {
			t.Errorf("replica %d answers a token of the new key with %d", i, status)
		}
	}
}

// TestReplicasContinueEachOthersWork deletes groups at each replica and polls at the others: one replica does the
// background work, and not the one that accepted the request. Then that replica ends.
func TestReplicasContinueEachOthersWork(t *testing.T) { onBothKinds(t, continueWork) }

func continueWork(t *testing.T, r *replicas) {
	raw := r.token(t, 0)
	group := "/subscriptions/" + r.admins[0].SubscriptionID + "/resourceGroups/rg"
	for i := range r.servers {
		next := (i + 1) % len(r.servers)
		if status, body := r.arm(t, i, "PUT", group+"?api-version=2021-04-01", raw); status != 201 {
			t.Fatalf("create: %d %s", status, body)
		}
		identity := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app?api-version=2023-01-31"
		if status, body := r.arm(t, next, "PUT", identity, raw); status != 201 {
			t.Fatalf("create at another replica: %d %s", status, body)
		}
		if status, body := r.arm(t, i, "DELETE", group+"?api-version=2021-04-01", raw); status != 202 {
			t.Fatalf("delete: %d %s", status, body)
		}
		soon(t, "the group is deleted", func() bool {
			status, _ := r.arm(t, next, "GET", group+"?api-version=2021-04-01", raw)
			return status == 404
		})
		if status, _ := r.arm(t, i, "GET", identity, raw); status != 404 {
			t.Errorf("the identity of a deleted group: %d", status)
		}
	}
	for _, s := range r.servers[:2] { // at least one other replica takes over
		shutdown(t, s)
	}
	if status, body := r.arm(t, 2, "PUT", group+"?api-version=2021-04-01", raw); status != 201 {
		t.Fatalf("create: %d %s", status, body)
	}
	if status, _ := r.arm(t, 2, "DELETE", group+"?api-version=2021-04-01", raw); status != 202 {
		t.Fatal(status)
	}
	soon(t, "the group is deleted by the last replica", func() bool {
		status, _ := r.arm(t, 2, "GET", group+"?api-version=2021-04-01", raw)
		return status == 404
	})
}

func TestOneOfManyCreatorsAtAllReplicasWins(t *testing.T) { onBothKinds(t, manyCreators) }

// TestSingleServerWritesNoRecordOfReplicas pins that a store with one process costs nothing more.
func TestSingleServerWritesNoRecordOfReplicas(t *testing.T) {
	cfg := quiet(t)
	start(t, cfg)
	all := dumped(t, cfg)
	for _, kind := range []store.Kind{store.ReplicaKind, store.JobKind} {
		if strings.Contains(all, `"key":"`+kind.Keys) {
			t.Errorf("the store has a record of the kind %s", kind.Name)
		}
	}
}

// manyCreators creates one identity with many requests at all replicas at the same moment. One creates it, and the
// others find it, with the same ids.
func manyCreators(t *testing.T, r *replicas) {
	raw := r.token(t, 0)
	group := "/subscriptions/" + r.admins[0].SubscriptionID + "/resourceGroups/rg"
	if status, body := r.arm(t, 0, "PUT", group+"?api-version=2021-04-01", raw); status != 201 {
		t.Fatalf("create: %d %s", status, body)
	}
	identity := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app?api-version=2023-01-31"
	var mu sync.Mutex
	answers, ids := map[int]int{}, map[string]int{}
	var creators sync.WaitGroup
	for n := range 30 {
		creators.Go(func() {
			status, body := r.arm(t, n%len(r.servers), "PUT", identity, raw)
			var made struct{ Properties struct{ PrincipalID string } }
			if err := json.Unmarshal([]byte(body), &made); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[status]++
			ids[made.Properties.PrincipalID]++
		})
	}
	creators.Wait()
	if answers[201] != 1 || answers[200] != 29 || len(ids) != 1 || ids[""] > 0 {
		t.Errorf("the answers are %v, the ids %v", answers, ids)
	}
}
