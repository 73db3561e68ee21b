//go:build e2e && cluster

package faults

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"

	"midas/internal/client"
	"midas/internal/datadir"
	"midas/internal/host"
)

// right is something that is given and taken away at one replica, and used at another one.
type right struct {
	name string
	set  func(r *replica, on bool) (answer, interval)
	use  func(r *replica) answer

	token func(r *replica, audience string) answer // only of hosts
}

// behind is how old the reads may be that allow a use.
const behind = time.Second

// exercise gives, takes and uses rights until the workload ends. After an unknown outcome another right is made,
// because each unknown outcome doubles the time of the check.
func (x *trial) exercise(make func() *right) {
	var now atomic.Pointer[right]
	now.Store(make())
	x.workers.Go(func() {
		for on := true; x.ctx.Err() == nil; on = !on {
			one := now.Load()
			if x.change(one, on) {
				now.Store(make())
				on = false
			}
			time.Sleep(time.Duration(50+x.random.n(300)) * time.Millisecond)
		}
	})
	for i := range 2 {
		x.workers.Go(func() {
			for x.ctx.Err() == nil {
				x.use(i+1, now.Load(), x.any())
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
}

// change gives or takes a right, and reports whether the outcome is unknown.
func (x *trial) change(one *right, on bool) (unknown bool) {
	in := rightInput{http.MethodDelete}
	if on {
		in.method = http.MethodPut
	}
	a, i := one.set(x.any(), on)
	switch {
	case a.refused():
		return false
	case a.unknown():
		unknown, i.end = true, open()
	case a.status >= 300 && !(on && bytes.Contains(a.body, []byte("RoleAssignmentExists"))):
		x.Errorf("%s: %s: %d %s", one.name, in.method, a.status, a.body)
		return false
	}
	x.history.addRight(one.name, 0, i, in, rightOutput{unknown: unknown})
	return unknown
}

func (x *trial) use(client int, one *right, r *replica) {
	i := interval{call: time.Now()}
	a := one.use(r)
	i.end = time.Now()
	x.judge(r, "use of "+one.name, a, i)
	if a.refused() || a.unknown() {
		return
	}
	allowed := a.status == http.StatusOK
	if allowed {
		i.call = i.call.Add(-behind)
	}
	x.history.addRight(one.name, client, i, rightInput{"USE"}, rightOutput{allowed: allowed})
}

// newReader makes an application, and returns its principal and a token for ARM.
func (x *trial) newReader() (principal, token string) {
	x.Helper()
	app, err := x.admin.CreateApp(x.ctx, client.NewApp{DisplayName: "reader"})
	if err != nil {
		x.Fatal(err)
	}
	secret, err := x.admin.AddSecret(x.ctx, app.ClientID, "s", time.Now().Add(48*time.Hour))
	if err != nil {
		x.Fatal(err)
	}
	reader := *x.admin
	reader.ClientID, reader.ClientSecret = app.ClientID, datadir.Secret(secret)
	if token, err = reader.Token(x.ctx, "https://management.azure.com"); err != nil {
		x.Fatal(err)
	}
	return app.PrincipalID, token
}

// role makes a role assignment of a reader at a new group.
func (x *trial) role(principal, token string) *right {
	const reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	group := x.groupPath(fmt.Sprintf("role%d", x.history.next()))
	x.mustPut(group+groupVersion, location)
	assignment := group + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString() + "?api-version=2022-04-01"
	body := fmt.Sprintf(`{"properties":{"roleDefinitionId":"/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/%s","principalId":%q,"principalType":"ServicePrincipal"}}`,
		x.admin.SubscriptionID, reader, principal)
	return &right{
		name: "role at " + group,
		set: func(r *replica, on bool) (answer, interval) {
			if on {
				return x.arm(r, http.MethodPut, assignment, body)
			}
			return x.arm(r, http.MethodDelete, assignment, "")
		},
		use: func(r *replica) answer {
			return ask(context.Background(), r.http, http.MethodGet, group+groupVersion, token, "")
		},
	}
}

// attached makes a machine, enrolls a host of it, and an identity that can be attached to it.
func (x *trial) attached() *right {
	n := x.history.next()
	vm := fmt.Sprintf("%s/providers/Microsoft.Compute/virtualMachines/vm%d", x.group, n)
	app := fmt.Sprintf("%s/app%d", identities(x.group), n)
	x.mustPut(app+identityVersion, location)
	certificate := x.enroll(vm)
	clients := map[*replica]*http.Client{}
	for _, r := range x.replicas {
		clients[r] = r.connect(x, x.admin.CAFile, certificate)
	}
	token := func(r *replica, audience string) answer {
		body, _ := json.Marshal(host.TokenRequest{Audience: audience, Selector: host.Selector{ResourceID: app}})
		return ask(context.Background(), clients[r], http.MethodPost, host.PathToken, "", string(body))
	}
	return &right{
		name: "identity at " + vm,
		set: func(r *replica, on bool) (answer, interval) {
			return x.arm(r, http.MethodPut, vm+vmVersion, vmBody(on, app))
		},
		use:   func(r *replica) answer { return token(r, "https://vault.azure.net") },
		token: token,
	}
}

const vmVersion = "?api-version=2024-07-01"

func vmBody(attached bool, app string) string {
	if attached {
		return fmt.Sprintf(`{"location":"eastus","identity":{"type":"UserAssigned","userAssignedIdentities":{%q:{}}}}`, app)
	}
	return `{"location":"eastus","identity":{"type":"None"}}`
}

// enroll makes a machine and enrolls a host of it.
func (x *trial) enroll(vm string) tls.Certificate {
	x.mustPut(vm+vmVersion, vmBody(false, ""))
	state := x.enrolled(vm)
	defer os.RemoveAll(state)
	var c struct{ Certificate, Key string }
	text, err := os.ReadFile(filepath.Join(state, "host.json"))
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		x.Error(err)
	}
	pair, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.Key))
	if err != nil {
		x.Error(err)
	}
	return pair
}

// enrolled enrolls a host of a resource by way of the balancer, and returns its folder.
func (x *trial) enrolled(resource string) (state string) {
	var token struct{ Token string }
	eventually(x, "enroll a host", func() bool {
		a, _ := x.arm(x.any(), http.MethodPost, resource+"/providers/Midas.Hosts/hosts/default/enroll?api-version=2026-11-01", "")
		if a.status != 200 || json.Unmarshal(a.body, &token) != nil {
			return false
		}
		var err error
		if state, err = os.MkdirTemp("", "faults-agent"); err != nil {
			x.Fatal(err)
		}
		cmd := command(x, "agent", "enroll", "--state", state, "--server", origin, "--ca", x.admin.CAFile, "--resource", resource, "--token", token.Token)
		if out, err := cmd.CombinedOutput(); err != nil {
			x.Logf("enroll: %v %s", err, out)
			_ = os.RemoveAll(state)
			return false
		}
		return true
	})
	return state
}

// startAgent starts the agent of a machine with an identity, and requests tokens from it until the workload ends.
func (x *trial) startAgent() {
	x.Helper()
	vm, app := x.group+"/providers/Microsoft.Compute/virtualMachines/agent", identities(x.group)+"/agent"
	x.mustPut(app+identityVersion, location)
	x.mustPut(vm+vmVersion, vmBody(true, app))
	state := x.enrolled(vm)
	address := x.network.prefix + clientsHost + ":8170"
	cmd := command(x, "agent", "run", "--state", state, "--flavour", "imds="+address, "--unlimited")
	log := new(logBuffer)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		x.Fatal(err)
	}
	x.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(state)
		if x.Failed() {
			x.Logf("log of the agent: %s", log.warnings())
		}
	})
	x.agent = "http://" + address + "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
	eventually(x, "the agent has a token", func() bool { ok, _ := x.metadata("https://vault.azure.net"); return ok })
	x.poll(25*time.Millisecond, func() string { return "https://vault.azure.net" }, func(p *phase) *requests { return &p.cached })
	x.poll(100*time.Millisecond, func() string { return fmt.Sprintf("https://n%d.example", x.history.next()) }, func(p *phase) *requests { return &p.fresh })
}

// poll requests tokens for audiences.
func (x *trial) poll(every time.Duration, audience func() string, of func(*phase) *requests) {
	c := &http.Client{Timeout: patience}
	x.workers.Go(func() {
		for x.ctx.Err() == nil {
			begun, name := time.Now(), audience()
			ok, text := x.metadataBy(c, name)
			x.history.now(func(p *phase) {
				of(p).add(time.Since(begun), ok)
				if !ok && strings.Contains(name, "vault") {
					x.Errorf("%s: the agent has no token that it had: %s", p.fault, text)
				}
			})
			time.Sleep(every)
		}
	})
}

func (x *trial) metadata(audience string) (ok bool, text string) {
	return x.metadataBy(http.DefaultClient, audience)
}

func (x *trial) metadataBy(c *http.Client, audience string) (ok bool, text string) {
	req, err := http.NewRequest(http.MethodGet, x.agent+url.QueryEscape(audience), nil)
	if err != nil {
		return false, err.Error()
	}
	req.Header.Set("Metadata", "true")
	resp, err := c.Do(req)
	if err != nil {
		return false, err.Error()
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK, resp.Status + " " + body.String()
}
