package outbound_test

import (
	"net/netip"
	"testing"

	"midas/internal/outbound"
)

func TestAddressesThatNoRequestMayReach(t *testing.T) {
	for _, text := range []string{
		"169.254.169.254", "169.254.170.2", "169.254.0.1", "168.63.129.16", "100.100.100.200", "192.0.0.192",
		"fd00:ec2::254", "fd20:ce::254", "fe80::1", "fec0::1", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "239.255.255.250",
		"255.255.255.255", "240.0.0.1", "ff02::1", "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "198.19.255.255",
		"2001:db8::1", "3fff::1", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b:1::a00:1",
		"2002:a9fe:a9fe::1", "2002:7f00:1::", "2001:0:1::1", "::127.0.0.1", "::ffff:0:127.0.0.1", "4000::1", "100::1",
		"fe80::1%eth0", "2606:4700::1%eth0",
	} {
		for _, private := range []bool{false, true} {
			if outbound.CheckAddress(netip.MustParseAddr(text), private) == nil {
				t.Errorf("%s is allowed (private: %t)", text, private)
			}
		}
	}
	if outbound.CheckAddress(netip.Addr{}, true) == nil {
		t.Error("the zero address is allowed")
	}
}

func TestAddressesThatNeedAPrivatePolicy(t *testing.T) {
	for _, text := range []string{
		"127.0.0.1", "127.255.255.254", "::1", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"100.64.0.1", "100.127.255.255", "fd12:3456::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.1.2.3",
		"64:ff9b::10.0.0.1", "64:ff9b::7f00:1",
	} {
		addr := netip.MustParseAddr(text)
		if outbound.CheckAddress(addr, false) == nil {
			t.Errorf("%s is allowed without a private policy", text)
		}
		if err := outbound.CheckAddress(addr, true); err != nil {
			t.Errorf("%s is refused with a private policy: %v", text, err)
		}
	}
}

func TestPublicAddressesAreAllowed(t *testing.T) {
	for _, text := range []string{
		"8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "11.0.0.1", "169.253.1.1", "223.255.255.255",
		"2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
	} {
		if err := outbound.CheckAddress(netip.MustParseAddr(text), false); err != nil {
			t.Errorf("%s is refused: %v", text, err)
		}
	}
}
