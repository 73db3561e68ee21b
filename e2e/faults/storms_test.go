//go:build e2e && cluster

package faults

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"midas/internal/host"
)

// creators has many clients create one identity at all replicas at the same moment: one makes it, and all get its ids.
func (x *trial) creators() {
	x.Helper()
	count := 300
	if x.settings.long() {
		count = 1000
	}
	x.enter("many creators of one name", false, true) // on few cores, the last of them waits for longer than patience
	group := x.groupPath(fmt.Sprintf("creators%d", x.history.next()))
	x.mustPut(group+groupVersion, location)
	var mu sync.Mutex
	made, ids := 0, map[string]int{}
	var all sync.WaitGroup
	for i := range count {
		r := x.replicas[i%len(x.replicas)]
		all.Go(func() {
			a, _ := x.arm(r, http.MethodPut, identity(group, 0), location)
			for end := time.Now().Add(time.Minute); (a.unknown() || a.refused()) && time.Now().Before(end); {
				time.Sleep(max(100*time.Millisecond, retryAfter(a))) // else a thousand clients keep a slow machine too busy to answer
				a, _ = x.arm(r, http.MethodPut, identity(group, 0), location)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[fmt.Sprintf("%d %s", min(a.status, 200), principal(a.body))]++
			if a.status == http.StatusCreated {
				made++
			}
		})
	}
	all.Wait()
	if len(ids) != 1 || made > 1 {
		x.Errorf("%d creators were told 201, and these ids were seen: %v", made, ids)
	}
}

// deletion deletes groups while others create in them. The check at the end finds orphans.
func (x *trial) deletion() {
	x.Helper()
	x.enter("group deletion racing creates", false, false)
	for range 5 {
		group := x.groupPath(fmt.Sprintf("race%d", x.history.next()))
		x.mustPut(group+groupVersion, location)
		racing, end := context.WithCancel(x.ctx)
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				for n := 0; racing.Err() == nil; n++ {
					path := fmt.Sprintf("%s/w%dn%d%s", identities(group), i, n, identityVersion)
					if a, _ := x.arm(x.any(), http.MethodPut, path, location); a.status == http.StatusNotFound {
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(50+x.random.n(150)) * time.Millisecond)
		eventually(x, "delete the group", func() bool {
			a, _ := x.arm(x.any(), http.MethodDelete, group+groupVersion, "")
			return a.status == http.StatusAccepted || a.status == http.StatusOK || a.status == http.StatusNoContent
		})
		for _, r := range x.replicas {
			x.gone(r, group)
		}
		end()
		all.Wait()
		x.leftNothing(group)
	}
}

// leftNothing looks for identities of a deleted group.
func (x *trial) leftNothing(group string) {
	x.Helper()
	for _, r := range x.replicas {
		a, _ := x.arm(r, http.MethodGet, "/subscriptions/"+x.admin.SubscriptionID+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities"+identityVersion, "")
		if strings.Contains(string(a.body), group+"/") {
			x.Errorf("%s lists identities of the deleted group %s", r.address(), group)
		}
	}
}

// rotation has all replicas rotate their signing keys at the same moment, again and again. At each moment, the keys
// that every replica publishes contain the key of each token that any replica has issued.
func (x *trial) rotation() {
	x.Helper()
	x.enter("all replicas rotate signing keys", false, false)
	signed, of := map[string]bool{}, x.attached()
	eventually(x, "attach an identity", func() bool { a, _ := of.set(x.any(), true); return a.status == http.StatusOK })
	rotating, end := context.WithCancel(x.ctx)
	var all sync.WaitGroup
	for _, r := range x.replicas {
		all.Go(func() {
			for range 2 {
				if out, err := r.command(x, "keys", "rotate"); err != nil {
					x.Errorf("%v %s", err, out)
				}
				time.Sleep(700 * time.Millisecond)
			}
		})
	}
	go func() { all.Wait(); time.Sleep(2 * time.Second); end() }()
	for ; rotating.Err() == nil; time.Sleep(10 * time.Millisecond) {
		raw := x.issued(of, x.any())
		if raw == "" {
			continue
		}
		kid := keyOf(raw)
		signed[kid] = true
		for _, r := range x.replicas {
			set := ask(context.Background(), r.http, http.MethodGet, "/"+x.admin.TenantID+"/discovery/v2.0/keys", "", "")
			if set.status != http.StatusOK {
				x.Errorf("the keys of %s: %d %v %s", r.address(), set.status, set.err, set.body)
				continue
			}
			for kid := range signed {
				if !strings.Contains(string(set.body), `"`+kid+`"`) {
					x.Errorf("%s does not publish key %s, which has signed", r.address(), kid)
				}
			}
		}
	}
	all.Wait()
	if len(signed) < 2 {
		x.Errorf("%d keys have signed", len(signed))
	}
}

// issued is a new token of a replica. One for an audience that it has had before might be an older one.
func (x *trial) issued(of *right, r *replica) string {
	a := of.token(r, fmt.Sprintf("https://r%d.example", x.history.next()))
	var body host.TokenAnswer
	if a.status == http.StatusServiceUnavailable {
		return "" // the machine is too slow for reads that are a second old at most
	}
	if err := json.Unmarshal(a.body, &body); err != nil || a.status != http.StatusOK {
		x.Errorf("token: %d %v %v", a.status, a.err, err)
		return ""
	}
	return string(body.Token)
}

func keyOf(raw string) string {
	var header struct{ Kid string }
	data, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[0])
	if err == nil {
		err = json.Unmarshal(data, &header)
	}
	if err != nil {
		return "of no token"
	}
	return header.Kid
}
