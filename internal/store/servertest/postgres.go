//go:build e2e && cluster

package servertest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	postgresPrograms = "/usr/lib/postgresql/15/bin" // of Debian's package postgresql-15
	postgresPassword = "correct-horse-battery"
	postgresWait     = time.Minute // for a server that starts
)

// PostgresServer is a PostgreSQL server of a test, on 127.0.0.1, with a database "midas" that belongs to the user
// "midas". The superuser "postgres" needs no password.
type PostgresServer struct {
	Port int

	t    testing.TB
	dir  string
	cmd  *exec.Cmd
	gone chan struct{} // closed when cmd has ended
}

// Postgres starts a server with more settings, such as "max_connections=10". It ends with the test.
func Postgres(t testing.TB, settings ...string) *PostgresServer {
	t.Helper()
	s := newPostgres(t)
	s.run("initdb", "--pgdata", s.dir, "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres")
	s.write("pg_hba.conf", "host all postgres 127.0.0.1/32 trust\nhost replication postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
	s.configure(settings...)
	s.Start()
	s.SQL("CREATE ROLE midas LOGIN PASSWORD '" + postgresPassword + "'")
	s.SQL("CREATE DATABASE midas OWNER midas")
	return s
}

// newPostgres makes the folder of a server, which the server's user can reach.
func newPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	if _, err := os.Stat(postgresPrograms); err != nil {
		t.Fatalf("install Debian's postgresql-15: %v", err)
	}
	parent := t.TempDir()
	if err := os.Chmod(filepath.Dir(parent), 0o711); err != nil { // the folder of all of this test's temporary folders
		t.Fatal(err)
	}
	s := &PostgresServer{t: t, Port: freePort(t), dir: filepath.Join(parent, "data")}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if c := credential(t); c != nil {
		if err := os.Chown(s.dir, int(c.Uid), int(c.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// credential is the user of a server: PostgreSQL refuses to run as root. It is nil if the test is not root.
func credential(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("the user of Debian's PostgreSQL: %v", err)
	}
	uid, errUser := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGroup := strconv.ParseUint(u.Gid, 10, 32)
	if errUser != nil || errGroup != nil {
		t.Fatalf("the user of Debian's PostgreSQL: %v, %v", errUser, errGroup)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// freePort is a free port of 127.0.0.1 below those that the system gives to connections: a client that connects to a
// server which is not there would else sometimes connect to itself, and keep the port from the server.
func freePort(t testing.TB) int {
	t.Helper()
	const lowest = 15000
	end := 32768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		if first, err := strconv.Atoi(strings.Fields(string(text))[0]); err == nil && first > lowest+1000 {
			end = first
		}
	}
	for range 100 {
		port := lowest + rand.IntN(end-lowest)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func (s *PostgresServer) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(postgresPrograms, program), args...)
	cmd.Dir = filepath.Dir(s.dir)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGCONNECT_TIMEOUT=5")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential(s.t)}
	return cmd
}

// run runs a program of PostgreSQL to its end and returns its output.
func (s *PostgresServer) run(program string, args ...string) string {
	s.t.Helper()
	out, err := s.command(program, args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (s *PostgresServer) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// configure writes the settings of this server into a file that its postgresql.conf includes.
func (s *PostgresServer) configure(settings ...string) {
	s.t.Helper()
	all := append([]string{
		fmt.Sprintf("port=%d", s.Port), "listen_addresses='127.0.0.1'", "unix_socket_directories=''",
		"shared_buffers=32MB", "max_connections=60", "wal_level=replica", "hot_standby=on", "logging_collector=off",
	}, settings...)
	s.write("postgresql.conf", strings.Join(all, "\n")+"\n")
}

// URL returns a store URL of the servers, this one first.
func (s *PostgresServer) URL(others ...*PostgresServer) string {
	hosts := fmt.Sprintf("127.0.0.1:%d", s.Port)
	for _, o := range others {
		hosts += fmt.Sprintf(",127.0.0.1:%d", o.Port)
	}
	return "postgres://midas:" + postgresPassword + "@" + hosts + "/midas?sslmode=disable"
}

// SQL runs a statement in the database "postgres" as the superuser, and returns its result without headers.
func (s *PostgresServer) SQL(statement string) string { return s.SQLIn("postgres", statement) }

// SQLIn is SQL in another database.
func (s *PostgresServer) SQLIn(database, statement string) string {
	s.t.Helper()
	return strings.TrimSpace(s.run("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
		"--host=127.0.0.1", "--port="+strconv.Itoa(s.Port), "--username=postgres", "--dbname="+database, "--command="+statement))
}

// Dump returns the whole content of a database, so that a test can compare.
func (s *PostgresServer) Dump(database string) string {
	s.t.Helper()
	var all []string
	for line := range strings.SplitSeq(s.run("pg_dump", "--host=127.0.0.1", "--port="+strconv.Itoa(s.Port), "--username=postgres", "--dbname="+database), "\n") {
		if !strings.HasPrefix(line, `\`) { // \restrict has a random word
			all = append(all, line)
		}
	}
	return strings.Join(all, "\n")
}

// SmallDisk moves the database "midas" to a file system of its own, and returns a function that changes its size. It
// needs the right to mount, and nobody may be connected to the database.
func (s *PostgresServer) SmallDisk(megabytes int) (resize func(megabytes int)) {
	s.t.Helper()
	dir := filepath.Join(filepath.Dir(s.dir), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	mount := func(options string) {
		s.t.Helper()
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
			s.t.Fatalf("mount: %v %s", err, out)
		}
	}
	owner := ""
	if c := credential(s.t); c != nil {
		owner = fmt.Sprintf(",uid=%d,gid=%d", c.Uid, c.Gid)
	}
	mount(fmt.Sprintf("size=%dm,mode=700%s", megabytes, owner))
	s.t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() }) // the server may still use it
	s.SQL("CREATE TABLESPACE small LOCATION '" + dir + "'")
	s.SQL("ALTER DATABASE midas SET TABLESPACE small")
	return func(megabytes int) { s.t.Helper(); mount(fmt.Sprintf("remount,size=%dm", megabytes)) }
}

// Start starts a server that was killed or stopped, and waits until it takes connections.
func (s *PostgresServer) Start() {
	s.t.Helper()
	end := time.Now().Add(postgresWait)
	for time.Now().Before(end) {
		s.launch()
		for s.Running() && time.Now().Before(end) {
			if s.command("pg_isready", "--quiet", "--host=127.0.0.1", "--port="+strconv.Itoa(s.Port)).Run() == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond) // the processes of a killed server end soon after it, and block the next until then
	}
	log, _ := os.ReadFile(s.log())
	s.t.Fatalf("PostgreSQL does not start:\n%s", log)
}

func (s *PostgresServer) log() string { return filepath.Join(filepath.Dir(s.dir), "log") }

func (s *PostgresServer) launch() {
	s.t.Helper()
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd, gone := s.command("postgres", "-D", s.dir), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // a killed server is no error
		close(gone)
	}()
	s.cmd, s.gone = cmd, gone
	s.t.Cleanup(func() { end(cmd, gone) })
}

// end stops a server fast, and kills it if it does not stop.
func end(cmd *exec.Cmd, gone chan struct{}) {
	_ = cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		<-gone
	}
}

// PIDs returns the processes of the server.
func (s *PostgresServer) PIDs() []int {
	s.t.Helper()
	pids := []int{s.cmd.Process.Pid}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pids[0], pids[0]))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Running reports whether the server runs. A server may end by itself if it cannot write.
func (s *PostgresServer) Running() bool {
	select {
	case <-s.gone:
		return false
	default:
		return true
	}
}

// Kill ends the server with SIGKILL, as a crash of the machine does: also the processes of sessions, which otherwise go
// on for a moment, and may take one more commit.
func (s *PostgresServer) Kill() {
	s.t.Helper()
	sessions := s.PIDs()[1:]
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	for _, pid := range sessions {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.gone
}

// Standby starts a streaming standby. If wait is true, the primary's commits wait for it from now on.
func (s *PostgresServer) Standby(wait bool) *PostgresServer {
	s.t.Helper()
	standby := newPostgres(s.t)
	s.run("pg_basebackup", "--pgdata="+standby.dir, "--host=127.0.0.1", "--port="+strconv.Itoa(s.Port), "--username=postgres",
		"--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--wal-method=stream")
	standby.configure("wal_retrieve_retry_interval='200ms'") // between two tries to reach the primary; 5 s by default, for which its commits would wait
	standby.Start()
	s.until("the standby streams", "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "1")
	if wait {
		s.SQL("ALTER SYSTEM SET synchronous_standby_names = '*'")
		s.SQL("SELECT pg_reload_conf()")
		s.until("the standby is synchronous", "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", "1")
	}
	return standby
}

// Promote makes a standby the primary, and waits until it takes writes. Its own commits wait for no standby.
func (s *PostgresServer) Promote() {
	s.t.Helper()
	s.run("pg_ctl", "promote", "--pgdata="+s.dir, "--wait")
	s.SQL("ALTER SYSTEM RESET synchronous_standby_names")
	s.SQL("SELECT pg_reload_conf()")
}

func (s *PostgresServer) until(what, query, want string) {
	s.t.Helper()
	for end := time.Now().Add(postgresWait); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if s.SQL(query) == want {
			return
		}
	}
	s.t.Fatalf("PostgreSQL: not reached in time: %s", what)
}
