package midas_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"midas"
	"midas/internal/agent"
	"midas/internal/client"
	"midas/internal/host"
	"midas/internal/store"
)

// pair is two replicas, of which the second one's connection to the store can be late or cut, and a machine.
type pair struct {
	admins  []*client.Client
	urls    []string // of the replicas
	link    *link    // of the second
	machine string
	roots   string
}

func startPair(t *testing.T) *pair {
	t.Helper()
	open, master := followedStore(t), masterFile(t, "e")
	p := &pair{}
	var openSecond func() (store.Engine, error)
	p.link, openSecond = linked(t, open)
	for _, open := range []func() (store.Engine, error){open, openSecond} {
		cfg := replica(t, master)
		cfg.Origin = "https://localhost:8443"
		s, err := midas.StartOn(t.Context(), cfg, open)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		p.roots = fileText(t, s.CAFile())
		p.add(t, cfg)
	}
	p.machine = newMachine(t, p.admins[0])
	return p
}

func (p *pair) add(t *testing.T, cfg midas.Config) {
	t.Helper()
	c := administratorAt(t, cfg.Data)
	p.admins, p.urls = append(p.admins, c), append(p.urls, serverURL(t, c))
}

// serverURL is the URL of the replica to which an administrator of administratorAt sends its requests.
func serverURL(t *testing.T, c *client.Client) string {
	t.Helper()
	address, err := c.Server(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return "https://" + address
}

// newMachine creates a machine that has an identity, and returns its id.
func newMachine(t *testing.T, c *client.Client) string {
	t.Helper()
	group := "/subscriptions/" + c.SubscriptionID + "/resourceGroups/rg"
	machine := group + "/providers/Microsoft.Compute/virtualMachines/web"
	raw, err := c.Token(t.Context(), "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Authorization": {"Bearer " + raw}, "Content-Type": {"application/json"}}
	if status, body := forwarded(t, c, "PUT", c.Endpoint+group+"?api-version=2021-04-01", `{"location":"eastus"}`, header); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	putMachine(t, c, machine, "SystemAssigned")
	return machine
}

// putMachine gives a machine an identity, or takes it away, at the replica of an administrator.
func putMachine(t *testing.T, c *client.Client, machine, identity string) {
	t.Helper()
	raw, err := c.Token(t.Context(), "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Authorization": {"Bearer " + raw}, "Content-Type": {"application/json"}}
	status, answer := forwarded(t, c, "PUT", c.Endpoint+machine+"?api-version=2024-03-01", `{"location":"eastus","identity":{"type":"`+identity+`"}}`, header)
	if status != 200 && status != 201 {
		t.Fatalf("%d %s", status, answer)
	}
}

// enrolled enrolls a machine at servers, and returns the agent's folder.
func enrolled(t *testing.T, c *client.Client, machine, roots string, servers ...string) string {
	t.Helper()
	token, err := c.EnrollmentToken(t.Context(), machine)
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	if _, err := agent.EnrollMachine(t.Context(), agent.Enrollment{Server: strings.Join(servers, ","), Roots: roots, Token: token}, state); err != nil {
		t.Fatal(err)
	}
	return state
}

// startAgent starts the agent of a folder, and returns its URL.
func startAgent(t *testing.T, state string) string {
	t.Helper()
	a, err := agent.Open(t.Context(), agent.ServerConfig{
		State: state, Log: slog.New(slog.DiscardHandler), Endpoints: []agent.EndpointConfig{{Flavour: "imds", Listen: "127.0.0.1:0", Unlimited: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	t.Cleanup(func() { _ = a.Close() })
	return a.URLs()[0]
}

// askFor asks an agent for a token for an audience.
func askFor(t *testing.T, agent, audience string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", agent+"/metadata/identity/oauth2/token?api-version=2018-02-01&resource="+audience, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Metadata", "true")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// TestNoTokenRequestFailsWhileReplicasEnd enrolls a machine at one of three replicas. Two of them end, one after the
// other, while programs ask for tokens that the agent does not have.
func TestNoTokenRequestFailsWhileReplicasEnd(t *testing.T) {
	r := startReplicasOn(t, followedStore(t))
	machine := newMachine(t, r.admins[0])
	state := enrolled(t, r.admins[0], machine, fileText(t, r.servers[0].CAFile()), serverURL(t, r.admins[0]))
	tokens := startAgent(t, state)
	soon(t, "the agent has learnt the other replicas", func() bool {
		learnt, _ := os.ReadFile(filepath.Join(state, "servers.json"))
		return bytes.Contains(learnt, []byte(serverURL(t, r.admins[1]))) && bytes.Contains(learnt, []byte(serverURL(t, r.admins[2])))
	})
	var asked, slowest atomic.Int64
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for worker := range 3 {
		asking.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				begun := time.Now()
				if status, body := askFor(t, tokens, "https://"+strconv.Itoa(worker)+"-"+strconv.Itoa(n)); status != 200 {
					t.Errorf("a token: %d %s", status, body)
				}
				asked.Add(1)
				for took := int64(time.Since(begun)); took > slowest.Load(); {
					slowest.Store(took)
				}
			}
		})
	}
	more := func() {
		t.Helper()
		n := asked.Load()
		soon(t, "more tokens", func() bool { return asked.Load() > n+30 })
	}
	more()
	for _, s := range r.servers[:2] {
		_ = s.Close()
		more()
	}
	close(stop)
	asking.Wait()
	t.Logf("%d tokens, the slowest took %v", asked.Load(), time.Duration(slowest.Load()))
	putMachine(t, r.admins[2], machine, "None")
	until(t, tokens, 400)
}

// hostClient sends requests as the host of an agent's folder, and nothing of what the agent adds.
type hostClient struct{ http *http.Client }

func newHostClient(t *testing.T, state string) hostClient {
	t.Helper()
	c, err := agent.ReadCredential(filepath.Join(state, "host.json"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	certificate, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.Key))
	if !roots.AppendCertsFromPEM([]byte(c.Roots)) || err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}}
	t.Cleanup(transport.CloseIdleConnections)
	return hostClient{&http.Client{Transport: transport}}
}

// send sends a request with the revision of which the host has heard, if it is not 0, and returns the answer.
func (h hostClient) send(ctx context.Context, url, body string, heard uint64) (status int, retry, answer string, err error) {
	method := "GET"
	if body != "" {
		method = "POST"
	}
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if heard != 0 {
		req.Header.Set(host.HeaderRevision, strconv.FormatUint(heard, 10))
	}
	resp, err := h.http.Do(req)
	if err != nil {
		return 0, "", "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("Retry-After"), string(data), err
}

// state asks for the state, waiting a moment for another version than known.
func (h hostClient) state(t *testing.T, url, known string, heard uint64) *host.State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	status, _, body, err := h.send(ctx, url+host.PathState+"?after="+known, "", heard)
	if ctx.Err() != nil {
		return nil
	}
	s := new(host.State)
	if err != nil || status != 200 || json.Unmarshal([]byte(body), s) != nil {
		t.Fatalf("%d %s %v", status, body, err)
	}
	return s
}

// TestStateOfAHostDoesNotGoBackAtAnotherReplica takes an identity away at one replica, and turns to another replica, which
// does not know it yet, as soon as the host has heard of it.
func TestStateOfAHostDoesNotGoBackAtAnotherReplica(t *testing.T) {
	p := startPair(t)
	h := newHostClient(t, enrolled(t, p.admins[0], p.machine, p.roots, p.urls[0]))
	const body = `{"audience":"https://vault.azure.net"}`
	token := func(heard uint64) int {
		status, _, answer, err := h.send(t.Context(), p.urls[1]+host.PathToken, body, heard)
		if err != nil {
			t.Fatal(answer, err)
		}
		return status
	}
	for range 3 {
		putMachine(t, p.admins[0], p.machine, "SystemAssigned")
		p.link.late.Store(0)
		soon(t, "a token from the other replica", func() bool { return token(0) == 200 })
		before := h.state(t, p.urls[1], "", 0)
		p.link.late.Store(int64(600 * time.Millisecond))
		putMachine(t, p.admins[0], p.machine, "None")
		after := h.state(t, p.urls[0], before.Version, before.Revision)
		if after == nil || len(after.Principals) != 0 || after.Revision <= before.Revision {
			t.Fatalf("the first replica shows %+v", after)
		}
		if status := token(after.Revision); status != 404 {
			t.Errorf("a token for an identity that was taken away: %d", status)
		}
		if again := h.state(t, p.urls[1], "", after.Revision); again == nil || again.Version != after.Version || again.Revision < after.Revision {
			t.Errorf("the state has gone back: %+v", again)
		}
	}
}

// TestRevisionOfAHostIsNotBelieved sends revisions that no store has: reads are fresh, and nothing else happens.
func TestRevisionOfAHostIsNotBelieved(t *testing.T) {
	p := startPair(t)
	h := newHostClient(t, enrolled(t, p.admins[0], p.machine, p.roots, p.urls[0]))
	const body = `{"audience":"https://vault.azure.net"}`
	for i, url := range p.urls {
		if status, _, answer, err := h.send(t.Context(), url+host.PathToken, body, 1<<64-1); status != 200 {
			t.Errorf("replica %d: %d %s %v", i, status, answer, err)
		}
		// The store was restored: the host hears of the revision that there is, at once.
		now := h.state(t, url, "", 0)
		if again := h.state(t, url, now.Version, 1<<63); again == nil || again.Version != now.Version || again.Revision < now.Revision {
			t.Errorf("replica %d: %+v after %+v", i, again, now)
		}
		for _, bad := range []string{"x", "-1", "18446744073709551616", "1 1"} {
			req, err := http.NewRequestWithContext(t.Context(), "GET", url+host.PathState, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set(host.HeaderRevision, bad)
			resp, err := h.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if _ = resp.Body.Close(); resp.StatusCode != 400 {
				t.Errorf("revision %q: %d", bad, resp.StatusCode)
			}
		}
	}
}

// TestAgentLeavesAReplicaThatIsCutOff has an agent that waits at a replica. The replica loses its database and hears of no
// change any more, so the agent has to turn to another one.
func TestAgentLeavesAReplicaThatIsCutOff(t *testing.T) {
	p := startPair(t)
	state := enrolled(t, p.admins[0], p.machine, p.roots, p.urls[1])
	tokens := startAgent(t, state)
	soon(t, "the agent has learnt the other replica", func() bool {
		learnt, _ := os.ReadFile(filepath.Join(state, "servers.json"))
		return bytes.Contains(learnt, []byte(p.urls[0]))
	})
	until(t, tokens, 200)
	p.link.late.Store(int64(time.Hour))
	p.link.cut.Store(true)
	defer p.link.cut.Store(false)
	begun := time.Now()
	putMachine(t, p.admins[0], p.machine, "None")
	soon(t, "the identity is taken away", func() bool { status, _ := ask(t, tokens); return status == 400 })
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %v, as long as the agent waits for a replica that has nothing to say", took)
	}
	putMachine(t, p.admins[0], p.machine, "SystemAssigned")
	until(t, tokens, 200)
	if status, body := askFor(t, tokens, "https://storage.azure.com"); status != 200 {
		t.Errorf("a new token: %d %s", status, body)
	}
}

// TestHostsGet503DuringAnOutage sends every operation of hosts to a replica that has lost its database.
func TestHostsGet503DuringAnOutage(t *testing.T) {
	p := startPair(t)
	h := newHostClient(t, enrolled(t, p.admins[0], p.machine, p.roots, p.urls[1]))
	p.link.cut.Store(true)
	defer p.link.cut.Store(false)
	operations := map[string]string{
		host.PathToken: `{"audience":"https://vault.azure.net"}`, host.PathState: "", host.PathAttest: `{}`,
		host.PathRenew: `{"request":"x"}`, host.PathEnroll: `{"token":"x","request":"x"}`,
	}
	soon(t, "the outage is noticed", func() bool {
		status, _, _, _ := h.send(t.Context(), p.urls[1]+host.PathToken, operations[host.PathToken], 0)
		return status == 503
	})
	for path, body := range operations {
		for _, heard := range []uint64{0, 1, 1 << 62} {
			status, retry, answer, err := h.send(t.Context(), p.urls[1]+path, body, heard)
			if status != 503 || retry == "" || !strings.Contains(answer, `"code":"`+host.CodeUnavailable+`"`) {
				t.Errorf("%s, heard %d: %d, Retry-After %q, %s %v", path, heard, status, retry, answer, err)
			}
		}
	}
	p.link.cut.Store(false)
	soon(t, "tokens after the outage", func() bool {
		status, _, _, _ := h.send(t.Context(), p.urls[1]+host.PathToken, operations[host.PathToken], 0)
		return status == 200
	})
}
