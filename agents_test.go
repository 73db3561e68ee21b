package midas_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

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
	putResource(t, c, group+"?api-version=2021-04-01", `{"location":"eastus"}`)
	putMachine(t, c, machine, "SystemAssigned")
	return machine
}

// putMachine gives a machine an identity, or takes it away, at the replica of an administrator.
func putMachine(t *testing.T, c *client.Client, machine, identity string) {
	t.Helper()
	putResource(t, c, machine+"?api-version=2024-03-01", `{"location":"eastus","identity":{"type":"`+identity+`"}}`)
}

// putResource creates or replaces a resource at the replica of an administrator.
func putResource(t *testing.T, c *client.Client, path, body string) {
	t.Helper()
	raw, err := c.Token(t.Context(), "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Authorization": {"Bearer " + raw}, "Content-Type": {"application/json"}}
	status, answer := forwarded(t, c, "PUT", c.Endpoint+path, body, header)
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

// TestWhatOneReplicaCreatesIsUsedAtOnceAtAnother adds credentials and a role at one replica and uses them at once at
// another, whose feed is late and which has the application in its cache.
func TestWhatOneReplicaCreatesIsUsedAtOnceAtAnother(t *testing.T) {
	p := startPair(t)
	ctx, here, there := t.Context(), p.admins[0], p.admins[1]
	p.assignUserAssigned(t)
	h := newHostClient(t, enrolled(t, here, p.machine, p.roots, p.urls[0]))
	_, _, answer, err := h.send(ctx, p.urls[1]+host.PathToken, `{"audience":"api://AzureADTokenExchange"}`, 0)
	var identity host.TokenAnswer
	if err != nil || json.Unmarshal([]byte(answer), &identity) != nil || identity.Token == "" {
		t.Fatal(answer, err)
	}
	decisions, err := there.Token(ctx, "https://authorization.azure.net")
	if err != nil {
		t.Fatal(err)
	}
	p.link.late.Store(int64(100 * time.Millisecond))
	for round := range 3 {
		app, err := here.CreateApp(ctx, client.NewApp{DisplayName: "app " + strconv.Itoa(round)})
		if err != nil {
			t.Fatal(err)
		}
		other := *there
		other.ClientID, other.ClientSecret = app.ClientID, "wrong"
		if _, err := other.Token(ctx, "https://management.azure.com"); err == nil {
			t.Error("a wrong secret")
		}
		wantAssertion(t, there, app.ClientID, certified(t, here, app.ClientID), "a certificate")
		graph(t, here, "/v1.0/applications(appId='"+app.ClientID+"')/federatedIdentityCredentials", fmt.Sprintf(
			`{"name":"machine","issuer":"%s/%s/v2.0","subject":%q,"audiences":["api://AzureADTokenExchange"]}`, here.Endpoint, here.TenantID, identity.Principal.ObjectID))
		wantAssertion(t, there, app.ClientID, string(identity.Token), "a federated credential")
		object, err := here.Principal(ctx, app.ClientID)
		if err != nil {
			t.Fatal(err)
		}
		for _, assigned := range []bool{false, true} {
			if assigned {
				if _, err := here.AssignRole(ctx, app.ClientID, "Reader", ""); err != nil {
					t.Fatal(err)
				}
			}
			q := outageRequests(there, map[string]string{"https://authorization.azure.net": decisions})["decision"]
			header := http.Header{"Authorization": {"Bearer " + decisions}, "Content-Type": {q.content}}
			body := strings.Replace(q.body, there.ClientID, object.ID, 1)
			status, answer := forwarded(t, there, q.method, there.Endpoint+q.path, body, header)
			if status != 200 || strings.Contains(answer, `"Allowed"`) != assigned {
				t.Errorf("round %d: the role is assigned: %v; decision %d %s", round, assigned, status, answer)
			}
		}
	}
}

// assignUserAssigned gives the machine a user-assigned identity, the only kind whose tokens can be exchanged.
func (p *pair) assignUserAssigned(t *testing.T) {
	t.Helper()
	c := p.admins[0]
	identity := "/subscriptions/" + c.SubscriptionID + "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	putResource(t, c, identity+"?api-version=2023-01-31", `{"location":"eastus"}`)
	putResource(t, c, p.machine+"?api-version=2024-03-01", `{"location":"eastus","identity":{"type":"UserAssigned","userAssignedIdentities":{"`+identity+`":{}}}}`)
}

// certified adds a certificate to an application, and returns a client assertion that it has signed.
func certified(t *testing.T, c *client.Client, clientID string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddCertificate(t.Context(), clientID, "c", der); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: key},
		(&jose.SignerOptions{}).WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(sum[:])))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(fmt.Appendf(nil, `{"iss":%q,"sub":%q,"aud":"%s/%s/oauth2/v2.0/token","jti":%q,"nbf":%d,"exp":%d}`,
		clientID, clientID, c.Endpoint, c.TenantID, clientID, time.Now().Add(-time.Minute).Unix(), time.Now().Add(5*time.Minute).Unix()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// wantAssertion gets a token for an application with a client assertion.
func wantAssertion(t *testing.T, c *client.Client, clientID, assertion, what string) {
	t.Helper()
	form := url.Values{
		"client_id": {clientID}, "grant_type": {"client_credentials"}, "scope": {"https://management.azure.com/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	status, body := forwarded(t, c, "POST", c.Endpoint+"/"+c.TenantID+"/oauth2/v2.0/token", form.Encode(), header)
	if status != 200 {
		t.Errorf("%s: %d %s", what, status, body)
	}
}

// graph creates an object by Microsoft Graph.
func graph(t *testing.T, c *client.Client, path, body string) {
	t.Helper()
	raw, err := c.Token(t.Context(), "https://graph.microsoft.com")
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Authorization": {"Bearer " + raw}, "Content-Type": {"application/json"}}
	if status, answer := forwarded(t, c, "POST", c.Endpoint+path, body, header); status != 201 {
		t.Fatalf("%s: %d %s", path, status, answer)
	}
}
