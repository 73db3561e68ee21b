package peer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Enforced says whether OwnUser refuses other users on this system.
const Enforced = true

// closed is the inode of a socket that its process has closed. The kernel then shows user 0 for it.
const closed = "0"

// ofOwnUser returns an error unless the other end of a connection belongs to this user or to root, by the
// kernel's socket tables.
func ofOwnUser(local, remote net.Addr) error {
	here, there, err := addresses(local, remote)
	if err != nil {
		return err
	}
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		user, found, err := userOf(table, there, here)
		if err != nil {
			return err
		}
		if found {
			if user != os.Getuid() && user != 0 {
				return fmt.Errorf("it belongs to user %d", user)
			}
			return nil
		}
	}
	return errors.New("its socket was not found in the kernel's socket tables")
}

func addresses(local, remote net.Addr) (here, there netip.AddrPort, err error) {
	l, isTCP := local.(*net.TCPAddr)
	r, isTCPToo := remote.(*net.TCPAddr)
	if !isTCP || !isTCPToo {
		return here, there, fmt.Errorf("%s is not a TCP connection", local.Network())
	}
	unmapped := func(a netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	}
	return unmapped(l.AddrPort()), unmapped(r.AddrPort()), nil
}

// userOf finds the socket from one address to another in a table, and the id of its user.
func userOf(table string, from, to netip.AddrPort) (user int, found bool, err error) {
	file, err := os.Open(table)
	if errors.Is(err, fs.ErrNotExist) { // a kernel without IPv6
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("look for the socket's user: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[9] == closed || parse(fields[1]) != from || parse(fields[2]) != to {
			continue
		}
		if user, err = strconv.Atoi(fields[7]); err != nil {
			return 0, false, fmt.Errorf("%s: %w", table, err)
		}
		return user, true, nil
	}
	if err := lines.Err(); err != nil {
		return 0, false, fmt.Errorf("%s: %w", table, err)
	}
	return 0, false, nil
}

// parse reads an address of the socket tables: words of 32 bits in the machine's byte order, in
// hexadecimal, a colon and the port. It returns the zero value for any other text.
func parse(s string) netip.AddrPort {
	words, port, _ := strings.Cut(s, ":")
	if len(words)%8 != 0 || len(words) > 32 {
		return netip.AddrPort{}
	}
	var address []byte
	for ; words != ""; words = words[8:] {
		word, err := strconv.ParseUint(words[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}
		}
		address = binary.NativeEndian.AppendUint32(address, uint32(word))
	}
	n, err := strconv.ParseUint(port, 16, 16)
	ip, ok := netip.AddrFromSlice(address)
	if err != nil || !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n))
}
