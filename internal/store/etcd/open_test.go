//go:build cluster

package etcd_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"

	"midas/internal/store"
	"midas/internal/store/etcd"
	"midas/internal/store/storetest"
)

func TestParse(t *testing.T) {
	for location, want := range map[string]etcd.Config{
		"h1:2379,h2:2380,h3/midas":                {Endpoints: []string{"h1:2379", "h2:2380", "h3:2379"}, Prefix: "/midas"},
		"[::1]:2379,[::2]/a/b/":                   {Endpoints: []string{"[::1]:2379", "[::2]:2379"}, Prefix: "/a/b"},
		"us%40er:p%2F%3F%23%40%3A%25@127.0.0.1/m": {Endpoints: []string{"127.0.0.1:2379"}, Prefix: "/m", User: "us@er", Password: "p/?#@:%"},
		"u:p:q@h/m?tls=false":                     {Endpoints: []string{"h:2379"}, Prefix: "/m", User: "u", Password: "p:q"},
	} {
		got, err := etcd.Parse(location)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", location, err, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]string{
		"":                                   "HOST:PORT",
		"/midas":                             "HOST:PORT",
		"h1,/midas":                          "HOST:PORT",
		"h1,,h2/midas":                       "HOST:PORT",
		"h1:0/midas":                         "1 to 65535",
		"h1:http/midas":                      "1 to 65535",
		"h1:65536/midas":                     "1 to 65535",
		"h 1/midas":                          "HOST:PORT",
		"h1:1:2/midas":                       "HOST:PORT",
		"h1,h1:2379/midas":                   "twice",
		"h1":                                 "names no prefix",
		"h1/":                                "names no prefix",
		"h1/a//b":                            "a part that is empty",
		"h1/a/../b":                          `"." or ".."`,
		"h1/a/k":                             `"k"`,
		"h1/a/k/b":                           `"k"`,
		"h1/a%2Fk/b":                         `"k"`,
		"h1/a/head/b":                        `"head"`,
		"h1/a%00b":                           "not printed",
		"h1/a#b":                             "has a #",
		"[::1/a":                             "is not HOST:PORT",
		"h1/a%ff":                            "not printed",
		"h1/" + strings.Repeat("a", 129):     "128 bytes",
		"u:secret@h1/m":                      "over TLS only",
		"u:secret@127.0.0.1,h2/m":            "over TLS only",
		"u@h1/m":                             "USER:PASSWORD",
		":secret@h1/m":                       "USER:PASSWORD",
		"u:@h1/m":                            "USER:PASSWORD",
		"u:%zzsecret@h1/m":                   "%25",
		"u:secret/x@h1/m":                    "%2F",
		"h1/m?tls=yes":                       "neither true nor false",
		"h1/m?ca=":                           "with a value",
		"h1/m?ca=a&ca=b":                     "there once",
		"h1/m?cacert=a":                      "not an option",
		"h1/m?ca=/does/not/exist":            "no such file",
		"h1/m?ca=" + file:                    "no certificate",
		"h1/m?cert=" + file:                  "belong together",
		"h1/m?cert=" + file + "&key=" + file: "cert " + file,
		"h1/m?tls=false&ca=" + file:          "contradicts",
		"h1/m?a;b":                           "NAME=VALUE",
	} {
		_, err := etcd.Parse(location)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", location, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the password: %v", location, err)
		}
	}
}

// refused opens a store that cannot be used, and checks the error.
func refused(t *testing.T, location, want string) {
	t.Helper()
	c, err := etcd.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	e, err := etcd.Open(context.Background(), c, etcd.Options{})
	if err == nil {
		_ = e.Close()
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", location, err, want)
	}
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("the error shows the password: %v", err)
	}
	if err != nil && (strings.Contains(err.Error(), "rpc error") || strings.Contains(err.Error(), "desc =") || strings.Contains(err.Error(), "\n")) {
		t.Errorf("more than one sentence: %v", err)
	}
}

func TestOpenRefusesWhatIsNoEtcd(t *testing.T) {
	refused(t, free(t)+"/m", "connection refused")
	refused(t, "does-not-exist.invalid/m", "no such host")
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	refused(t, l.Addr().String()+"/m", "does not answer in time")
	t.Setenv("HTTPS_PROXY", "http://"+l.Addr().String()) // a proxy of the environment is not used
	t.Setenv("HTTP_PROXY", "http://"+l.Addr().String())
	refused(t, free(t)+"/m", "connection refused")
}

func TestOpenRefusesTwoClusters(t *testing.T) {
	// Ids of clusters are made of the names of members and a token.
	other := func(c *embed.Config) {
		c.InitialClusterToken = "other"
	}
	refused(t, embedded(t)+","+embedded(t, other)+"/m", "different clusters")
}

// oldEtcd answers like etcd 3.3.
type oldEtcd struct {
	pb.UnimplementedMaintenanceServer
}

func (oldEtcd) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{Header: &pb.ResponseHeader{}, Version: "3.3.27", Leader: 1}, nil
}

func TestOpenRefusesAnOldEtcd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterMaintenanceServer(server, oldEtcd{})
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	refused(t, l.Addr().String()+"/m", "etcd 3.3.27 is too old: Midas needs etcd 3.4 or newer")
}

// A learner does not answer, so it cannot be the only endpoint.
func TestOpenRefusesALearner(t *testing.T) {
	endpoint := embedded(t)
	c := client(t, endpoint)
	learner, peer := free(t), free(t)
	added, err := c.MemberAddAsLearner(t.Context(), []string{"http://" + peer})
	if err != nil {
		t.Fatal(err)
	}
	var members []string
	for _, m := range added.Members {
		name := m.Name
		if name == "" {
			name = "learner"
		}
		members = append(members, name+"="+m.PeerURLs[0])
	}
	server := startAt(t, t.TempDir(), peer, learner, func(c *embed.Config) {
		c.Name, c.ClusterState, c.InitialCluster = "learner", embed.ClusterStateFlagExisting, strings.Join(members, ",")
	})
	defer server.Close()
	refused(t, learner+"/m", "the member is a learner")
	if err := open(t, endpoint+","+learner+"/m").Close(); err != nil { // with one that votes it does no harm
		t.Error(err)
	}
}

// An etcd without authentication accepts every user. The log says so, because the operator believes otherwise.
func TestUserOfAnEtcdWithoutAuthenticationIsAWarning(t *testing.T) {
	endpoint := embedded(t)
	for location, want := range map[string]bool{"midas:secret@" + endpoint + "/m": true, endpoint + "/m": false} {
		c, err := etcd.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		e, err := etcd.Open(t.Context(), c, etcd.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if got := strings.Contains(log.String(), "has no authentication"); got != want || strings.Contains(log.String(), "secret") {
			t.Errorf("%s", &log)
		}
	}
}

func TestUsers(t *testing.T) {
	endpoint := embedded(t)
	c, ctx := client(t, endpoint), t.Context()
	var failed error
	note := func(err error) {
		if failed == nil {
			failed = err
		}
	}
	for _, user := range []string{"root", "midas", "reader"} {
		_, err := c.UserAdd(ctx, user, "secret")
		note(err)
		_, err = c.RoleAdd(ctx, user)
		note(err)
		_, err = c.UserGrantRole(ctx, user, user)
		note(err)
	}
	_, err := c.RoleGrantPermission(ctx, "midas", "/midas/", clientv3.GetPrefixRangeEnd("/midas/"), clientv3.PermissionType(clientv3.PermReadWrite))
	note(err)
	_, err = c.RoleGrantPermission(ctx, "reader", "/midas/", clientv3.GetPrefixRangeEnd("/midas/"), clientv3.PermissionType(clientv3.PermRead))
	note(err)
	_, err = c.AuthEnable(ctx)
	note(err)
	if failed != nil {
		t.Fatal(failed)
	}
	refused(t, endpoint+"/midas", "demands a user and a password")
	refused(t, "midas:secret2@"+endpoint+"/midas", `refuses the user "midas": the name or the password is wrong`)
	refused(t, "nobody:secret@"+endpoint+"/midas", `refuses the user "nobody"`)
	refused(t, "midas:secret@"+endpoint+"/mida", "readwrite /mida/")
	refused(t, "midas:secret@"+endpoint+"/midas2", "readwrite /midas2/")
	refused(t, "reader:secret@"+endpoint+"/midas", "readwrite /midas/")
	e := open(t, "midas:secret@"+endpoint+"/midas")
	st := storetest.CloseAtEnd(t, store.New(e, store.Options{}))
	feed := watch(t, st, 0)
	rev := put(t, st, "a", "1")
	if r := next(t, feed); r.err != nil || r.Revision != rev {
		t.Errorf("%+v", r)
	}
	if got := keys(t, st, store.Range{}); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%q", got)
	}
	if _, failed := e.CommitTogether(t.Context(), commitOf("b", 0, "b"), commitOf("-a", rev, "a")); errors.Join(failed...) != nil {
		t.Errorf("a group of a user with the rights below the prefix: %v", failed)
	}
}

// authority makes certificates for TestTLS.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func issue(t *testing.T, name string, by *authority) (certFile, keyFile string, made *authority) {
	t.Helper()
	return issueUntil(t, name, by, time.Now().Add(time.Hour))
}

func issueUntil(t *testing.T, name string, by *authority, end time.Time) (certFile, keyFile string, made *authority) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if by == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		by = &authority{cert: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, &authority{cert: template, key: key, file: certFile}
}

func TestTLS(t *testing.T) {
	ca, _, by := issue(t, "CA", nil)
	strange, _, strangeBy := issue(t, "another CA", nil)
	cert, key, _ := issue(t, "server", by)
	mine, mineKey, _ := issue(t, "midas", by)
	theirs, theirsKey, _ := issue(t, "midas", strangeBy)
	endpoint := embedded(t, func(c *embed.Config) {
		c.ClientTLSInfo = transport.TLSInfo{CertFile: cert, KeyFile: key, TrustedCAFile: ca, ClientCertAuth: true}
		c.ListenClientUrls = []url.URL{{Scheme: "https", Host: c.ListenClientUrls[0].Host}}
		c.AdvertiseClientUrls = c.ListenClientUrls
	})
	old, oldKey, _ := issueUntil(t, "midas", by, time.Now().Add(-time.Hour))
	refused(t, endpoint+"/m?ca="+ca+"&cert="+old+"&key="+oldKey, "no secure connection")
	expired, expiredKey, _ := issueUntil(t, "server", by, time.Now().Add(-time.Hour))
	refused(t, embedded(t, func(c *embed.Config) {
		c.ClientTLSInfo = transport.TLSInfo{CertFile: expired, KeyFile: expiredKey}
		c.ListenClientUrls = []url.URL{{Scheme: "https", Host: c.ListenClientUrls[0].Host}}
		c.AdvertiseClientUrls = c.ListenClientUrls
	})+"/m?ca="+ca, "expired")
	client := "&cert=" + mine + "&key=" + mineKey
	refused(t, endpoint+"/m", "does not answer without TLS")
	refused(t, endpoint+"/m?ca="+strange+client, "unknown authority")
	refused(t, endpoint+"/m?tls=true"+client, "unknown authority")
	refused(t, endpoint+"/m?ca="+ca, "no secure connection")
	refused(t, endpoint+"/m?ca="+ca+"&cert="+theirs+"&key="+theirsKey, "no secure connection")
	refused(t, endpoint+"/m?ca="+ca+"&serverName=other.example.com"+client, "other.example.com")
	refused(t, embedded(t)+"/m?ca="+ca, "no secure connection")
	st := storetest.CloseAtEnd(t, store.New(open(t, endpoint+"/m?ca="+ca+client), store.Options{}))
	put(t, st, "a", "1")
}
