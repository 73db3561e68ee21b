package localca

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net"
	"slices"
	"strings"

	"midas/internal/arm"
)

// protocolPrefix begins the names of Protocols.
const protocolPrefix = "midas-ca/"

// Protocols are the names with which a client that trusts roots, in PEM, asks a server for a certificate of its local
// authority: one for each authority of a Midas among the roots. They are sent like names of protocols (ALPN, RFC 7301),
// as those of ACME are (RFC 8737), and name no protocol that a server could choose.
//
// So a client that was told of the local authority only, such as the agent of a machine, goes on when the operator
// gives the server a certificate of another authority for the same host name.
func Protocols(roots []byte) (all []string) {
	for {
		var block *pem.Block
		if block, roots = pem.Decode(roots); block == nil {
			return all
		}
		if one, err := x509.ParseCertificate(block.Bytes); err == nil && one.IsCA && strings.HasPrefix(one.Subject.CommonName, serverRole().title) {
			all = append(all, protocol(one))
		}
	}
}

// protocol is the name for one authority.
func protocol(authority *x509.Certificate) string {
	return protocolPrefix + hex.EncodeToString(authority.SubjectKeyId)
}

type getCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// selector chooses between the operator's certificate and those of the authorities, which issued returns. Clients of
// Azure's names, and those that ask for the local authority (see Protocols), get one of the authorities. The other
// clients get the operator's, if they can mean it, and also if they name a server that no authority knows.
func (a Authorities) selector(issued getCertificate) getCertificate {
	local, azures := map[string]bool{}, map[string]*serving{}
	for _, name := range a.Local.names {
		local[name] = true
	}
	(&serving{ca: a.Azure}).add(azures)
	asks := protocol(a.Local.cert.Load()) // the authority keeps its key
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		own := a.Own()
		if own == nil || slices.Contains(hello.SupportedProtos, asks) {
			return issued(hello)
		}
		name := arm.Fold(hello.ServerName)
		if s, _ := lookUp(azures, name); s != nil || (name == "" || local[name]) && !serves(own.Leaf, hello) {
			return issued(hello)
		}
		return own, nil
	}
}

// serves reports whether a client can mean a certificate. A client that names no server uses an address, which may be
// that of a load balancer, or a name without a dot, as Java does not send these.
func serves(leaf *x509.Certificate, hello *tls.ClientHelloInfo) bool {
	if hello.ServerName != "" {
		return leaf.VerifyHostname(arm.Fold(hello.ServerName)) == nil
	}
	var at net.IP
	if hello.Conn != nil {
		if tcp, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok {
			at = tcp.IP
		}
	}
	if at.IsLoopback() {
		return slices.ContainsFunc(leaf.IPAddresses, at.Equal)
	}
	return len(leaf.IPAddresses) > 0 || slices.ContainsFunc(leaf.DNSNames, func(name string) bool { return !strings.Contains(name, ".") })
}
