package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// maxAddresses is how many addresses of one host are tried.
const maxAddresses = 8

// dialer connects to hosts whose addresses are allowed.
type dialer struct {
	resolver Resolver
	private  bool
}

// dial resolves the host once and tries its addresses one after the other. The check is repeated at the socket.
func (d dialer) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	all, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	for i, addr := range all {
		// One refused address refuses the host. Otherwise it would depend on the order of the answer which of
		// its addresses is used.
		if err := CheckAddress(addr, d.private); err != nil {
			return nil, err
		}
		all[i] = addr.Unmap()
	}
	return d.connect(ctx, all, port)
}

// connect tries the addresses. Each gets its share of the time that is left, so that one that does not answer leaves
// time for the others.
func (d dialer) connect(ctx context.Context, all []netip.Addr, port string) (conn net.Conn, err error) {
	plain := net.Dialer{ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
		return d.checkSocket(network, address)
	}}
	for i, addr := range all {
		if end, bounded := ctx.Deadline(); bounded {
			plain.Timeout = time.Until(end) / time.Duration(len(all)-i)
		}
		if conn, err = plain.DialContext(ctx, "tcp", net.JoinHostPort(addr.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// lookup finds the addresses of a host, which may be an address itself. There is at least one.
func (d dialer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	resolver := d.resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	all, err := resolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("the host %s has no address", host)
	}
	return all[:min(len(all), maxAddresses)], err
}

// checkSocket checks the address that a socket is about to connect to.
func (d dialer) checkSocket(network, address string) error {
	if network != "tcp4" && network != "tcp6" {
		return errors.New("the connection is not TCP")
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("read the address of a socket: %w", err)
	}
	return CheckAddress(to.Addr(), d.private)
}
