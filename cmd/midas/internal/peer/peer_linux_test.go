package peer_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"midas/cmd/midas/internal/peer"
)

// caller names the variable that makes this test binary connect to an address and say what it read.
const caller = "MIDAS_TEST_PEER_CONNECT"

func TestMain(m *testing.M) {
	if address := os.Getenv(caller); address != "" {
		fmt.Print(ask(address))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// ask sends a line and gives what comes back.
func ask(address string) string {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_, _ = io.WriteString(c, "hello\n")
	_ = c.(*net.TCPConn).CloseWrite()
	all, _ := io.ReadAll(c)
	return string(all)
}

// serve answers each line with "welcome" on an address, to those of this user.
func serve(t *testing.T, address string) (string, chan error) {
	t.Helper()
	inner, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip(err)
	}
	reasons := make(chan error, 10)
	l := peer.OwnUser(inner, func(err error) { reasons <- err })
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := bufio.NewReader(c).ReadString('\n'); err == nil {
					_, _ = io.WriteString(c, "welcome")
				}
			}()
		}
	}()
	return l.Addr().String(), reasons
}

func TestConnectionsOfOwnProcessesAreAccepted(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		at, reasons := serve(t, address)
		if _, port, _ := net.SplitHostPort(at); address == "[::]:0" {
			at = "127.0.0.1:" + port // a connection of IPv4 to a socket of IPv6
		}
		if got := ask(at); got != "welcome" {
			t.Errorf("%s: %q", address, got)
		}
		if len(reasons) > 0 {
			t.Errorf("%s: %v", address, <-reasons)
		}
	}
}

func TestConnectionsOfOtherUsersAreRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	at, reasons := serve(t, "127.0.0.1:0")
	for _, user := range []uint32{65534, 12345} {
		self, err := os.Open("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "/proc/self/fd/3", "-test.run=none")
		cmd.ExtraFiles = []*os.File{self}
		cmd.Env = []string{caller + "=" + at}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		out, err := cmd.CombinedOutput()
		_ = self.Close()
		if err != nil {
			t.Skipf("cannot run as another user: %v", err)
		}
		if strings.Contains(string(out), "welcome") {
			t.Errorf("user %d was served: %s", user, out)
		}
		if err := <-reasons; !errors.Is(err, peer.ErrOtherUser) || !strings.Contains(err.Error(), fmt.Sprint("user ", user)) {
			t.Errorf("user %d: %v", user, err)
		}
	}
}
