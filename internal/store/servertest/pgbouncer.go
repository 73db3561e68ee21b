//go:build e2e && cluster

package servertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Pgbouncer starts Debian's pgbouncer in front of the server, with a pool_mode and a number of sessions, and returns
// a store URL. It ends with the test.
func (s *PostgresServer) Pgbouncer(mode string, sessions int) string {
	s.t.Helper()
	const program = "/usr/sbin/pgbouncer"
	if _, err := os.Stat(program); err != nil {
		s.t.Fatalf("apt-get install pgbouncer: %v", err)
	}
	port := freePort(s.t)
	file := filepath.Join(filepath.Dir(s.dir), "pgbouncer-"+mode+".ini")
	text := fmt.Sprintf(`[databases]
midas = host=127.0.0.1 port=%d user=midas password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = %d
ignore_startup_parameters = extra_float_digits
`, s.Port, postgresPassword, port, mode, sessions)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	log, err := os.Create(file + ".log")
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, file)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = filepath.Dir(s.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential(s.t)}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed at the end of the test
		close(gone)
	}()
	s.t.Cleanup(func() {
		if out, err := os.ReadFile(file + ".log"); err == nil && s.t.Failed() {
			s.t.Logf("pgbouncer: %s", out[max(0, len(out)-2000):])
		}
		end(cmd, gone)
	})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for until := time.Now().Add(postgresWait); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return strings.Replace(s.URL(), fmt.Sprintf("127.0.0.1:%d", s.Port), address, 1)
		}
	}
	s.t.Fatal("pgbouncer does not start")
	return ""
}
