package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// Listen listens on an address, HOST:PORT. Errors name the setting from which the address comes. For
// "localhost" it listens on 127.0.0.1 and on ::1, because some clients use one of them and some the other; with
// port 0, both get the same free port.
func Listen(ctx context.Context, setting, address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	hosts := []string{host}
	if host == "localhost" {
		hosts = []string{"127.0.0.1", "::1"}
	}
	var conf net.ListenConfig
	var all []net.Listener
	for i, h := range hosts {
		l, err := conf.Listen(ctx, "tcp", net.JoinHostPort(h, port))
		if i > 0 && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)) {
			break // the machine has no IPv6
		}
		if err != nil {
			return nil, errors.Join(listenError(setting, address, err), closeAll(all))
		}
		all = append(all, l)
		if _, port, err = net.SplitHostPort(l.Addr().String()); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", setting, err), closeAll(all))
		}
	}
	return all, nil
}

func listenError(setting, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s: the port is taken by another program; end that one, or choose another port with %s HOST:PORT", address, option(setting))
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("cannot listen on %s: this user may not use the port; choose one above 1023 with %s HOST:PORT", address, option(setting))
	}
	return fmt.Errorf("cannot listen on %s (%s): %w", address, option(setting), err)
}

// option is how a user writes a setting: a flag, or the path of a setting in the configuration file.
func option(setting string) string {
	if strings.ContainsAny(setting, ".: ") {
		return setting + ":"
	}
	return "--" + setting
}

func closeAll(listeners []net.Listener) error {
	var all []error
	for _, l := range listeners {
		all = append(all, l.Close())
	}
	return errors.Join(all...)
}

// Authority returns the HOST:PORT under which clients on this machine reach a listener that Listen has opened
// for the address.
func Authority(address string, l net.Listener) string {
	host, _, _ := net.SplitHostPort(address) // cannot fail, because Listen has split it
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort(host, port)
}
