//go:build e2e && cluster

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"midas/internal/store"
	"midas/internal/store/etcd"
	"midas/internal/store/postgres"
	"midas/internal/store/servertest"
)

// misuser uses the binary wrongly, on a real etcd and a real PostgreSQL that each have an installation.
type misuser struct {
	etcd     *servertest.EtcdCluster
	postgres *servertest.PostgresServer
	dir      string
	key      string // the file of the master key of both installations
	stores   map[string]string
}

// storePassword must not be in any output.
const storePassword = "correct-horse-battery"

func newMisuser(t *testing.T) *misuser {
	t.Helper()
	m := &misuser{etcd: servertest.Etcd(t, 1), postgres: servertest.Postgres(t), dir: t.TempDir()}
	m.key = m.file(t, "master.key", strings.Repeat("a", 64))
	m.stores = map[string]string{"etcd": "etcd://" + m.etcd.Endpoints[0] + "/midas", "postgres": m.postgres.URL()}
	return m
}

func (m *misuser) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// install makes the installation of a store, with the data folder of that name, and ends its server.
func (m *misuser) install(t *testing.T, name string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), midasBinary(t), m.serve(m.stores[name], "--data", filepath.Join(m.dir, name))...)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "ready ") {
			ready = true
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	if err := cmd.Wait(); err != nil || !ready {
		t.Fatalf("%s: %v: %s", name, err, &log)
	}
}

// serve is the command line of a server that would work with the stores of the installations.
func (m *misuser) serve(store string, more ...string) []string {
	return append([]string{"serve", "--listen", "127.0.0.1:0", "--origin", "https://midas.test", "--master-key", m.key, "--store", store}, more...)
}

// logLine begins a line of the server's log.
var logLine = regexp.MustCompile(`^time=\S+ level=`)

// refused runs midas, which must end by itself with one sentence that contains want.
func (m *misuser) refused(t *testing.T, want string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a start gives up after 15 s
	defer cancel()
	cmd := exec.CommandContext(ctx, midasBinary(t), args...)
	cmd.Dir = t.TempDir()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err == nil || ctx.Err() != nil || out.Len() > 0 {
		t.Errorf("%q: it has not refused: %v, %v\n%s%s", args, err, ctx.Err(), &out, &errs)
		return
	}
	var sentences []string
	for line := range strings.SplitSeq(strings.TrimSpace(errs.String()), "\n") {
		if !logLine.MatchString(line) {
			sentences = append(sentences, line)
		}
	}
	if len(sentences) != 1 || !strings.HasPrefix(sentences[0], "midas: ") || !strings.Contains(sentences[0], want) {
		t.Errorf("%q: %q, want %q", args, sentences, want)
	}
	for _, bad := range []string{storePassword, "battery", "rpc error", "code = ", "desc = ", "%!", "goroutine", strings.Repeat("a", 64)} {
		if strings.Contains(errs.String(), bad) {
			t.Errorf("%q: the output has %q: %s", args, bad, &errs)
		}
	}
}

// newer puts the note of a newer Midas into a copy of an installation.
func newer(t *testing.T, engine store.Engine, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(engine, store.Options{})
	defer st.Close()
	_, err = st.Update(t.Context(), func(tx store.Tx) error {
		tx.Put("m/format", []byte(`{"v":1,"format":99,"versions":{},"program":"v9.9.9"}`))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMisuseOfStoresEndsWithASentenceAndWritesNothing starts the binary with everything that can be wrong about a
// store. Both databases must stay as they are.
func TestMisuseOfStoresEndsWithASentenceAndWritesNothing(t *testing.T) {
	m := newMisuser(t)
	m.install(t, "etcd")
	m.install(t, "postgres")
	m.prepare(t)
	keys, rows := m.etcd.Dump(), m.postgres.Dump("midas")
	for _, c := range m.wrongURLs(t) {
		m.refused(t, c[1], m.serve(c[0])...)
	}
	for _, name := range []string{"etcd", "postgres"} {
		m.wrongInstallations(t, name)
	}
	same(t, "etcd", keys, m.etcd.Dump())
	same(t, "PostgreSQL", rows, m.postgres.Dump("midas"))
}

// same reports the lines that two dumps do not have in common.
func same(t *testing.T, what, before, after string) {
	t.Helper()
	count := map[string]int{}
	for line := range strings.SplitSeq(before, "\n") {
		count[line]--
	}
	for line := range strings.SplitSeq(after, "\n") {
		count[line]++
	}
	for line, n := range count {
		if n != 0 {
			t.Errorf("%s has changed: %+d times %q", what, n, line)
		}
	}
}

func (m *misuser) backup(name string) string { return filepath.Join(m.dir, name+".backup") }

// prepare makes what the wrong uses need.
func (m *misuser) prepare(t *testing.T) {
	t.Helper()
	for name, store := range m.stores {
		cmd := exec.CommandContext(t.Context(), midasBinary(t), "backup", "--store", store, "--data", filepath.Join(m.dir, name), "--master-key", m.key, m.backup(name))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("backup: %v %s", err, out)
		}
	}
	c, err := etcd.Parse(m.etcd.Endpoints[0] + "/newer")
	if err != nil {
		t.Fatal(err)
	}
	e, err := etcd.Open(t.Context(), c, etcd.Options{})
	newer(t, e, err)
	p, err := postgres.Open(t.Context(), m.postgres.URL()+"&midas_schema=newer", postgres.Options{})
	newer(t, p, err)
	m.postgres.SQL("CREATE ROLE poor LOGIN PASSWORD '" + storePassword + "'")
	m.postgres.SQL("CREATE ROLE reader LOGIN PASSWORD '" + storePassword + "'; ALTER ROLE reader SET default_transaction_read_only = on")
	m.postgres.SQL("CREATE ROLE many LOGIN PASSWORD '" + storePassword + "' CONNECTION LIMIT 0")
}

// wrongURLs are stores with what the answer must say.
func (m *misuser) wrongURLs(t *testing.T) [][2]string {
	t.Helper()
	at := m.etcd.Endpoints[0]
	pg := m.postgres.URL()
	host := fmt.Sprintf("127.0.0.1:%d", m.postgres.Port)
	as := func(old, changed string) string { return strings.Replace(pg, old, changed, 1) }
	expired, ca := tlsServer(t, time.Now().Add(-time.Hour))
	valid, _ := tlsServer(t, time.Now().Add(time.Hour))
	silent := silence(t)
	free := silence(t)
	return [][2]string{
		{"etc://" + at + "/midas", "is neither"},
		{"http://u:" + storePassword + "@" + at + "/midas", "is neither"},
		{at + "/midas", "is neither"},
		{"etcd:" + at + "/midas", `is not of the form "etcd://"`},
		{"ETCD://" + at + "/midas", `is not of the form "etcd://"`},
		{"etcd://", `is not of the form "etcd://"`},
		{"etcd://" + at, "it names no prefix"},
		{"etcd://127.0.0.1:99999/midas", "1 to 65535"},
		{"etcd://" + at + "/midas/k", `"k"`},
		{"etcd://" + at + "/midas?cafile=x", `"cafile" is not an option`},
		{"etcd://" + at + "/midas?ca=/nowhere/ca.pem", "/nowhere/ca.pem"},
		{"etcd://u:" + storePassword + "@10.1.1.1/midas", "over TLS only"},
		{"etcd://u:correct/" + storePassword + "@" + at + "/midas", "%2F"},
		{"etcd://127.0.0.1:1/midas", "no answer from etcd at 127.0.0.1:1"},
		{"etcd://" + silent + "/midas", "does not answer in time"},
		{"etcd://" + host + "/midas", "does not answer without TLS"},
		{"etcd://" + at + "/midas?tls=true", "no secure connection"},
		{"etcd://" + expired + "/midas?ca=" + ca, "expired"},
		{"etcd://" + valid + "/midas?ca=" + ca, "unknown authority"},
		{"etcd://" + servertest.OldEtcd(t) + "/midas", "etcd 3.3.27 is too old: Midas needs etcd 3.4 or newer"},
		{"etcd://" + at + "/newer", "newer Midas"},

		{"postgress://midas:" + storePassword + "@" + host + "/midas", "is neither"},
		{"postgres:" + host, `is not of the form "postgres://"`},
		{"Postgres://" + host + "/midas", `is not of the form "postgres://"`},
		{"postgres://" + host, "does not name the database"},
		{"postgres://midas:correct/" + storePassword + "@" + host + "/midas", "%2F"},
		{"postgres://midas:correct@" + storePassword + "@" + host + "/midas", "%40"},
		{pg + "&midas_schemas=x", `"midas_schemas" is not a parameter`},
		{pg + "&schemas=x", "does not know a parameter"},
		{as("sslmode=disable", "sslmode=on"), "sslmode is invalid"},
		{as("sslmode=disable", "sslmode=verify-full"), "the server has no TLS"},
		{as("sslmode=disable", "sslmode=verify-full&sslrootcert=/nowhere/ca.pem"), "/nowhere/ca.pem"},
		{as(storePassword, storePassword+"2"), "refuses the user or its password"},
		{as("//midas:", "//nobody:"), "refuses the user or its password"},
		{as("/midas?", "/nothing?"), "the database does not exist"},
		{as("//midas:", "//poor:"), "the user lacks rights"},
		{as("//midas:", "//poor:") + "&midas_schema=other", "the user lacks rights"},
		{as("//midas:", "//reader:"), "no host of the URL takes writes"},
		{as("//midas:", "//many:"), "too many connections"},
		{as(host, "127.0.0.1:1"), "the database does not answer"},
		{as(host, free), "the database does not answer"},
		{as(host, "does-not-exist.invalid"), "a host of the store's URL does not exist"},
		{servertest.OldPostgres(t), "the server is PostgreSQL 12, and Midas needs 13 or later"},
		{pg + "&midas_schema=newer", "newer Midas"},
	}
}

// wrongInstallations uses the store of an installation wrongly.
func (m *misuser) wrongInstallations(t *testing.T, name string) {
	t.Helper()
	store, data := m.stores[name], filepath.Join(m.dir, name)
	other := map[string]string{"etcd": strings.Replace(store, "/midas", "/mistyped", 1), "postgres": store + "&midas_schema=mistyped"}[name]
	another := filepath.Join(m.dir, map[string]string{"etcd": "postgres", "postgres": "etcd"}[name]) // the folder of another installation
	wrong := m.file(t, "wrong.key", strings.Repeat("b", 64))
	m.refused(t, "if it is the store of another installation, name another one", append(m.serve(store), "--master-key", wrong)...)
	m.refused(t, "there is no master key", "serve", "--listen", "127.0.0.1:0", "--origin", "https://midas.test", "--store", store)
	m.refused(t, "with the origin https://midas.test, and this server has the origin https://other.test", append(m.serve(store), "--origin", "https://other.test")...)
	m.refused(t, "the data folder belongs to another installation", m.serve(store, "--data", another)...)
	m.refused(t, "the store is empty; is its address or its prefix wrong?", m.serve(other, "--data", data)...)
	m.refused(t, "the store is empty; is its address or its prefix wrong?", "check", "--store", other, "--data", data)
	m.refused(t, "the data folder belongs to another installation", "keys", "reset", "--yes", "--store", store, "--data", another)
	m.refused(t, "the data folder belongs to another installation", "keys", "rotate", "--store", store, "--data", another, "--master-key", m.key)
	m.refused(t, "is restored into a new store only", "restore", "--store", store, "--data", filepath.Join(m.dir, "new-"+name), "--master-key", m.key, m.backup(name))
}

// silence is the HOST:PORT of a server that accepts connections and says nothing.
func silence(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// tlsServer is a server that only shakes hands, with a certificate that ends at a time. It returns the file of its
// authority.
func tlsServer(t *testing.T, end time.Time) (address, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(end.Unix()), Subject: pkix.Name{CommonName: "etcd"}, NotBefore: end.Add(-24 * time.Hour), NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); _ = conn.(*tls.Conn).Handshake() }()
		}
	}()
	return l.Addr().String(), ca
}
