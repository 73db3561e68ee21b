package outbound

import "net/netip"

// The networks below are those of the IANA special-purpose address registries (RFC 6890) and the metadata services
// of the large clouds.

var (
	nat64         = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	globalUnicast = netip.MustParsePrefix("2000::/3")     // RFC 4291

	// neverRanges are the networks to which no request goes.
	neverRanges = []ranges{
		{"the address of a metadata service", parse(
			"169.254.169.254/32", // Azure, AWS, Google and others
			"169.254.170.0/24",   // credentials of containers at AWS
			"168.63.129.16/32",   // Azure's host
			"100.100.100.200/32", // Alibaba
			"192.0.0.192/32",     // Oracle, first generation
			"fd00:ec2::/32",      // AWS
			"fd20:ce::254/128",   // Google
			"fd00:42::42/128",    // Scaleway
			"fd00:c1::a9fe:a9fe/128",
		)},
		{"a link-local address", parse("169.254.0.0/16", "fe80::/10", "fec0::/10")},
		{"the unspecified address", parse("0.0.0.0/8", "::/128")},
		{"a multicast address", parse("224.0.0.0/4", "ff00::/8")},
		{"a reserved address", parse("240.0.0.0/4", "192.0.0.0/24", "192.88.99.0/24", "100::/64", "2001::/23", "5f00::/16")},
		{"an address of documentation or benchmarks", parse(
			"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32", "3fff::/20",
		)},
		{"an address that stands for an IPv4 address", parse(
			"64:ff9b:1::/48", // NAT64 of one network, RFC 8215
			"2002::/16",      // 6to4
			"::ffff:0:0:0/96",
		)},
	}
	// privateRanges are the networks to which only requests with a private Policy go.
	privateRanges = []ranges{
		{"a loopback address", parse("127.0.0.0/8", "::1/128")},
		{"a private address", parse("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")},
		{"an address of a carrier's network", parse("100.64.0.0/10")},
	}
)

func parse(networks ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(networks))
	for i, text := range networks {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}
