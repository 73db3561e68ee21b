//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"midas/internal/client"
)

const (
	machineAddress = "10.77.1.2"
	serverAddress  = "10.77.2.2"
	warmKeys       = 11 // with coldKeys in one second, fewer than the 20 that the agent permits, and more than five
	coldKeys       = 5
)

// router is what is between a machine and its server: a network namespace of its own.
type router struct{ machine }

// newRoutedMachine makes three network namespaces: the machine's, with Azure's metadata address, the server's,
// and between the two a router's. Without the right to do so this test can show nothing, so it fails.
func newRoutedMachine(t *testing.T) (*machine, *router) {
	t.Helper()
	need(t, "unshare", "nsenter", "ip", "curl")
	m, r, server := &machine{dir: t.TempDir()}, &router{machine{dir: t.TempDir()}}, &machine{dir: t.TempDir()}
	for _, n := range []*machine{m, &r.machine, server} {
		n.pid = n.background(t, "up", "unshare", "--mount", "--net", "--propagation", "private", "sh", "-euc",
			`ip link set lo up; mkdir -p /var/opt; mount -t tmpfs tmpfs /var/opt; echo up; exec sleep 600`)
	}
	r.run(t, nil, "sh", "-euc", `
		ip link add to-machine type veth peer name eth0 netns `+strconv.Itoa(m.pid)+`
		ip link add to-server type veth peer name eth0 netns `+strconv.Itoa(server.pid)+`
		ip addr add 10.77.1.1/24 dev to-machine; ip link set to-machine up
		ip addr add 10.77.2.1/24 dev to-server; ip link set to-server up`)
	r.forward(t, true)
	for n, addresses := range map[*machine][2]string{m: {machineAddress, "10.77.1.1"}, server: {serverAddress, "10.77.2.1"}} {
		n.run(t, nil, "sh", "-euc", fmt.Sprintf(`ip addr add %s/24 dev eth0; ip link set eth0 up; ip route add default via %s`, addresses[0], addresses[1]))
	}
	m.run(t, nil, "ip", "addr", "add", "169.254.169.254/32", "dev", "lo")
	m.data = filepath.Join(m.dir, "midas-data")
	m.server = m.background(t, "ready ", server.inside(midasBinary(t), "serve", "--store", "memory:", "--data", m.data, "--listen", serverAddress+":8443")...)
	return m, r
}

// forward decides whether packets get through. Linux drops those that it must not forward without a word to
// their sender: both sides keep their addresses, their neighbour and their connections.
func (r *router) forward(t *testing.T, on bool) {
	t.Helper()
	bit := map[bool]string{false: "0", true: "1"}[on]
	r.run(t, nil, "sh", "-euc", "echo "+bit+" > /proc/sys/net/ipv4/ip_forward")
}

// answer is what one request for a token got.
type answer struct {
	key, status string
	took        time.Duration
}

// tokens asks for several tokens at once, for audiences of a name and a number each.
func (m *machine) tokens(t *testing.T, names ...string) (all []answer) {
	t.Helper()
	words := []string{"curl", "-sS", "--no-progress-meter", "--parallel", "--parallel-immediate", "--parallel-max", "50",
		"--max-time", "30", "-H", "Metadata: true", "-w", "%{url_effective} %{http_code} %{time_total}\n"}
	for _, name := range names {
		words = append(words, "-o", "/dev/null", m.tokenURL(name))
	}
	for line := range strings.Lines(m.run(t, nil, words...)) {
		var a answer
		var seconds float64
		if _, err := fmt.Sscan(line, &a.key, &a.status, &seconds); err != nil {
			t.Fatalf("curl says %q: %v", line, err)
		}
		_, a.key, _ = strings.Cut(a.key, "resource=https://")
		a.took = time.Duration(seconds * float64(time.Second))
		all = append(all, a)
	}
	return all
}

// tokenURL is where the machine's programs ask for a token.
func (m *machine) tokenURL(audience string) string {
	return "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&client_id=" + m.clientID + "&resource=https://" + audience
}

// token asks for one token and gives the answer's body.
func (m *machine) token(t *testing.T, audience string) (status string, body map[string]any) {
	t.Helper()
	text, status, _ := cut(m.run(t, nil, "curl", "-sS", "--max-time", "30", "-w", "\n%{http_code}", "-H", "Metadata: true", m.tokenURL(audience)))
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return status, body
}

func numbered(name string, last int) string { return fmt.Sprintf("%s[1-%d]", name, last) }

// wantSilence checks that the packets to the server are lost, and that nobody says so.
func (m *machine) wantSilence(t *testing.T) {
	t.Helper()
	words := m.inside("curl", "-sS", "--insecure", "--max-time", "2", "https://"+serverAddress+":8443/healthz")
	out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput()
	const timedOut = 28
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != timedOut {
		t.Fatalf("the link is no black hole: %v: %s", err, out)
	}
}

// While packets between a machine and the server are lost silently, workloads go on to get the tokens that the
// agent has, many different ones at once; others are refused in a way that clients try again, and not one by
// one after a timeout each. When the link is back, everything is as before.
func TestTokensWhilePacketsAreLost(t *testing.T) {
	m, r := newRoutedMachine(t)
	m.populate(t)
	for i := range warmKeys {
		if status, body := m.token(t, "warm"+strconv.Itoa(i+1)); status != "200" {
			t.Fatalf("a first token: %s, %v", status, body["error_description"])
		}
	}
	for outage, length := range []time.Duration{20 * time.Second, 8 * time.Second} {
		time.Sleep(time.Second) // the agent permits 20 requests in a second
		r.forward(t, false)
		m.wantSilence(t)
		m.loseTokens(t, outage, length)
		r.forward(t, true)
		m.recover(t, outage)
	}
}

// loseTokens asks for tokens, known and unknown ones together, while nothing comes from the server. The HTTP/2
// connection on which the agent watches it is given up after 13 seconds.
func (m *machine) loseTokens(t *testing.T, outage int, length time.Duration) {
	t.Helper()
	var timeout time.Duration // of the first requests that were not answered: with it all others are compared
	for round, begun := 0, time.Now(); time.Since(begun) < length; round++ {
		cold := numbered(fmt.Sprintf("cold%d-%d-", outage, round), coldKeys)
		answers := m.tokens(t, cold, numbered("warm", warmKeys))
		if len(answers) != warmKeys+coldKeys {
			t.Fatalf("%d answers: %v", len(answers), answers)
		}
		for _, a := range answers {
			unknown := strings.HasPrefix(a.key, "cold")
			if unknown && round == 0 {
				timeout = max(timeout, a.took)
			}
			if want := map[bool]string{false: "200", true: "503"}[unknown]; a.status != want {
				t.Errorf("outage %d, round %d, %s: %s, want %s", outage, round, a.key, a.status, want)
			}
		}
		for _, a := range answers {
			if first := round == 0 && strings.HasPrefix(a.key, "cold"); !first && a.took > timeout/2 {
				t.Errorf("outage %d, round %d, %s: %v, when a request is given up after %v", outage, round, a.key, a.took, timeout)
			}
		}
		time.Sleep(time.Second) // the agent permits 20 requests in a second
	}
	if timeout > 9*time.Second {
		t.Errorf("unknown tokens were refused after %v", timeout)
	}
	// What was refused here may be fetched after all when the link is back, so each outage has a key of its own.
	status, body := m.token(t, fmt.Sprintf("refused%d", outage))
	if status != "503" || body["error"] == nil || body["error_description"] == nil {
		t.Errorf("outage %d, an unknown token: %s, %v: %v", outage, status, body["error"], body["error_description"])
	}
}

// recover waits until unknown tokens come again and known ones are renewed, as when they were revoked.
func (m *machine) recover(t *testing.T, outage int) {
	t.Helper()
	patiently := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(300 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("outage %d: %s did not come after the link was back", outage, what)
			}
		}
	}
	patiently("an unknown token", func() bool {
		status, _ := m.token(t, fmt.Sprintf("recovered%d", outage))
		return status == "200"
	})
	_, before := m.token(t, "warm1")
	admin, err := client.Open(m.data)
	if err != nil {
		t.Fatal(err)
	}
	m.arm(t, admin, "POST", m.resources+"/revokeTokens?api-version=2023-07-31-preview", "")
	patiently("a renewed token", func() bool {
		status, body := m.token(t, "warm1")
		return status == "200" && body["access_token"] != before["access_token"]
	})
	for i := range warmKeys {
		key := "warm" + strconv.Itoa(i+1)
		patiently(key, func() bool { status, _ := m.token(t, key); return status == "200" })
	}
}
