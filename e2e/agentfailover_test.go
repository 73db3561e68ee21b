//go:build e2e && cluster

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNoTokenRequestFailsWhileMachinesDie has a cluster of three machines and the agent of a fourth one, which was enrolled
// at the first machine with the ca.pem from before the others had joined. Programs ask for tokens that the agent does not
// have while the first machine dies, which begins as the leader, and while the second one is paused.
func TestNoTokenRequestFailsWhileMachinesDie(t *testing.T) {
	n := newNetwork(t)
	one, two, three, four := n.machines["first"], n.machines["second"], n.machines["third"], n.machines["fourth"]
	n.begin(t, one, "midas serve --cluster-init --listen 10.77.0.1:8443 --origin https://midas.example:8443")()
	n.run(t, one, "cp midas-data/ca.pem "+four.dir)
	for _, m := range []*node{two, three} {
		n.run(t, one, "midas cluster token")
		n.begin(t, m, `midas serve --join https://10.77.0.1:8443 --token "$TOKEN" --listen `+m.address+":8443")()
	}
	enrollment := n.run(t, one, `eval "$(midas env)"
GROUP="/subscriptions/$MIDAS_SUBSCRIPTION_ID/resourceGroups/rg1"
ID="$GROUP/providers/Microsoft.Compute/virtualMachines/web"
ask() { curl -sS -o answer --fail-with-body --cacert "$MIDAS_CA" --resolve midas.example:8443:10.77.0.1 -H "Authorization: Bearer $(midas token)" -H 'Content-Type: application/json' -X PUT "$@"; }
ask "$MIDAS_ENDPOINT$GROUP?api-version=2021-04-01" -d '{"location":"eastus"}'
ask "$MIDAS_ENDPOINT$ID?api-version=2024-07-01" -d '{"location":"eastus","identity":{"type":"SystemAssigned"}}'
midas agent enrollment-token --resource "$ID"`)
	n.run(t, four, "echo "+strings.TrimSpace(enrollment)+" | midas agent enroll --state agent --server https://10.77.0.1:8443 --ca ca.pem --token -")
	n.begin(t, four, "midas agent run --state agent --flavour imds=127.0.0.1:8170 --unlimited")()
	await(t, "the agent has learnt the other machines", func() bool {
		learnt, _ := os.ReadFile(filepath.Join(four.dir, "agent", "servers.json"))
		return strings.Contains(string(learnt), "https://10.77.0.2:8443") && strings.Contains(string(learnt), "https://10.77.0.3:8443")
	})
	p := n.programs(t, four)
	p.more(t)
	one.kill(t)
	p.more(t)
	n.begin(t, one, one.command)()
	p.more(t)
	signal(t, two, syscall.SIGSTOP)
	p.more(t)
	signal(t, two, syscall.SIGCONT)
	p.more(t)
	p.end(t)
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what + ": not in time")
		}
	}
}

func signal(t *testing.T, m *node, s syscall.Signal) {
	t.Helper()
	if err := m.server.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// programs ask the agent of a machine for tokens of ever other audiences.
type programs struct {
	log  string // a line for each answer: its status and the seconds that it took
	stop string // the file that ends them
	wait func() error
}

func (n *network) programs(t *testing.T, m *node) *programs {
	t.Helper()
	p := &programs{log: filepath.Join(m.dir, "answers"), stop: filepath.Join(m.dir, "stop")}
	cmd := n.shell(t, m, `for program in 1 2 3; do
  (i=0; until [ -e stop ]; do i=$((i+1)); curl -s -o /dev/null -w '%{http_code} %{time_total}\n' --max-time 20 -H Metadata:true \
    "http://127.0.0.1:8170/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://$program-$i" >>answers || true; done) &
done; wait`)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.WriteFile(p.stop, nil, 0o600)
		_ = cmd.Wait()
	})
	p.wait = cmd.Wait
	return p
}

func (p *programs) answers() []string {
	data, _ := os.ReadFile(p.log)
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// more waits until the programs have got more answers, for as long at least as an election takes.
func (p *programs) more(t *testing.T) {
	t.Helper()
	enough, begun := len(p.answers())+50, time.Now()
	await(t, "more answers", func() bool { return len(p.answers()) > enough && time.Since(begun) > 4*time.Second })
}

// end ends the programs and checks that each has got a token each time.
func (p *programs) end(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(p.stop, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	failed, slowest := 0, 0.0
	for _, line := range p.answers() {
		var status int
		var seconds float64
		if _, err := fmt.Sscan(line, &status, &seconds); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		slowest = max(slowest, seconds)
		if status != 200 {
			failed++
			t.Errorf("an answer: %s", line)
		}
	}
	t.Logf("%d requests for tokens, %d failed, the slowest took %.3f s", len(p.answers()), failed, slowest)
}
