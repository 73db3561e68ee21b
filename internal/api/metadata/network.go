package metadata

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"midas/internal/arm"
	"midas/internal/host"
)

// Interface is a network interface of the host.
type Interface struct {
	MAC       string
	Addresses []netip.Prefix // each with the length of its subnet
}

// LocalInterfaces returns the interfaces of this machine that are up, have a MAC address and an address that is
// not link-local, and are not loopback interfaces.
func LocalInterfaces() []Interface {
	all, err := net.Interfaces()
	if err != nil {
		return nil // the interfaces cannot be read, so none are shown
	}
	var found []Interface
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0 || len(i.HardwareAddr) == 0 {
			continue
		}
		one := Interface{MAC: i.HardwareAddr.String()}
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
				one.Addresses = append(one.Addresses, p)
			}
		}
		if len(one.Addresses) > 0 {
			found = append(found, one)
		}
	}
	return found
}

// network returns the element "network": the interfaces of the resource or, if it has none, of the host.
func network(in host.Instance, local []Interface) map[string]any {
	list := []any{}
	for _, properties := range in.Interfaces {
		list = append(list, interfaceOf(object(properties)))
	}
	if len(list) == 0 {
		for _, i := range local {
			list = append(list, i.element())
		}
	}
	return map[string]any{"interface": list}
}

// interfaceOf returns the element of a network interface from the properties of its
// Microsoft.Network/networkInterfaces resource.
func interfaceOf(nic tree) any {
	addresses4, addresses6, subnets := []any{}, []any{}, []any{}
	for _, c := range nic.list("ipConfigurations") {
		props := c.at("properties")
		private := props.text("privateIPAddress")
		if arm.SameName(props.text("privateIPAddressVersion"), "IPv6") || strings.Contains(private, ":") {
			addresses6 = append(addresses6, map[string]any{"privateIpAddress": private})
			continue
		}
		public := props.at("publicIPAddress", "properties").text("ipAddress")
		addresses4 = append(addresses4, map[string]any{"privateIpAddress": private, "publicIpAddress": public})
		prefix := props.at("subnet", "properties").text("addressPrefix")
		if address, length, found := strings.Cut(prefix, "/"); found {
			subnets = append(subnets, map[string]any{"address": address, "prefix": length})
		}
	}
	return shape(addresses4, subnets, addresses6, nic.text("macAddress"))
}

func (i Interface) element() any {
	addresses4, addresses6, subnets := []any{}, []any{}, []any{}
	for _, p := range i.Addresses {
		if p.Addr().Is4() {
			addresses4 = append(addresses4, map[string]any{"privateIpAddress": p.Addr().String(), "publicIpAddress": ""})
			subnets = append(subnets, map[string]any{"address": p.Masked().Addr().String(), "prefix": strconv.Itoa(p.Bits())})
		} else {
			addresses6 = append(addresses6, map[string]any{"privateIpAddress": p.Addr().String()})
		}
	}
	return shape(addresses4, subnets, addresses6, i.MAC)
}

func shape(addresses4, subnets, addresses6 []any, mac string) any {
	return map[string]any{
		"ipv4":       map[string]any{"ipAddress": addresses4, "subnet": subnets},
		"ipv6":       map[string]any{"ipAddress": addresses6},
		"macAddress": strings.ToUpper(strings.NewReplacer("-", "", ":", "").Replace(mac)),
	}
}
