//go:build cluster

package cluster

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"go.etcd.io/etcd/api/v3/version"

	"midas/internal/localca"
)

// Invitation is what a joining machine needs besides its own address. All fields are required.
type Invitation struct {
	URL     string // https://HOST:PORT of any member's main listener
	Token   Token
	Program string // the version of this Midas

	// Check refuses an offer. It is called before the cluster changes, and writes nothing.
	Check func(Offer) error

	// Keep writes what the machine needs of an offer that Check has accepted, after the cluster has changed.
	Keep func(Offer) error
}

// Join asks a member of a cluster to add this machine, and writes the folder of the new member. It starts nothing.
// Nothing is written before the cluster has accepted the machine. If the process ends after that, another Join with a
// new token begins again.
func Join(ctx context.Context, c Config, at Address, by Invitation) error {
	if Exists(c.Data) {
		return fmt.Errorf("%s already has a member of a cluster", c.Data)
	}
	if err := errors.Join(checkListen(at.Listen), checkSpace(c.Data)); err != nil {
		return err
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	offer, answer, err := by.ask(ctx, key, at)
	if err != nil {
		return fmt.Errorf("join the cluster at %s: %w", by.URL, err)
	}
	a, cert, err := answer.check(key)
	if err != nil {
		return fmt.Errorf("join the cluster at %s: its answer cannot be used: %w", by.URL, err)
	}
	if err := by.Keep(offer); err != nil {
		return err
	}
	f := folderOf(c.Data)
	if err := errors.Join(f.make(), f.writeAuthority(a), f.writeMember(key, cert)); err != nil {
		return err
	}
	name := at.Advertise
	return f.write(state{
		Name: name, Peer: at.URL(), Listen: at.Listen, ID: answer.ID, Cluster: answer.Cluster, Origin: offer.Origin, Joined: true, Members: answer.Members,
	})
}

// checkListen returns an error if nothing can listen on an address. A machine that finds this out after it was added
// has used up its token, and the cluster waits for it.
func checkListen(address string) error {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("another program listens on %s: end it, or choose another address with --advertise: %w", address, err)
	}
	if err != nil {
		return fmt.Errorf("listen for the other members: name an address of this machine with --peer-listen: %w", err)
	}
	return l.Close()
}

// check reads the certificates of an answer.
func (j JoinAnswer) check(key crypto.Signer) (*authority, *x509.Certificate, error) {
	ca, err := parseCertificate([]byte(j.CA))
	if err != nil {
		return nil, nil, err
	}
	caKey, err := parseKey([]byte(j.CAKey))
	if err != nil {
		return nil, nil, err
	}
	cert, err := parseCertificate([]byte(j.Certificate))
	if err != nil {
		return nil, nil, err
	}
	if err := cert.CheckSignatureFrom(ca); err != nil {
		return nil, nil, err
	}
	equal, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !equal.Equal(cert.PublicKey) || len(j.Members) == 0 || j.Cluster == "" || j.ID == "" {
		return nil, nil, errors.New("it is not for this machine")
	}
	return &authority{ca, caKey}, cert, nil
}

// ask sends the requests. The secret is sent only to a server whose certificate comes from the pinned key.
func (i Invitation) ask(ctx context.Context, key crypto.Signer, at Address) (offer Offer, out JoinAnswer, err error) {
	p, err := i.Token.parts()
	if err != nil {
		return offer, out, err
	}
	u, err := url.Parse(i.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || i.URL != "https://"+u.Host && i.URL != "https://"+u.Host+"/" {
		return offer, out, errors.New("it is not https://HOST:PORT of a member's main listener")
	}
	if err := checkPeer(at.URL()); err != nil {
		return offer, out, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*admitTime)
	defer cancel()
	base := "https://" + u.Host
	pinned, err := fetchPinned(ctx, base, p.pin)
	if err != nil {
		return offer, out, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return offer, out, fmt.Errorf("make the certificate request: %w", err)
	}
	in := JoinRequest{
		Protocol: Protocol, Program: i.Program, Etcd: version.Version, ID: p.id, Secret: p.secret, Peer: at.URL(),
		Request: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request})),
	}
	if err := post(ctx, pinned, base+pathOffer, in, &offer); err != nil {
		return offer, out, err
	}
	if err := i.Check(offer); err != nil {
		return offer, out, err
	}
	return offer, out, post(ctx, pinned, base+pathJoin, in, &out)
}

// post sends a request to a server that has a certificate of the pinned authority.
func post(ctx context.Context, pinned *x509.Certificate, to string, in JoinRequest, out any) error {
	roots := x509.NewCertPool()
	roots.AddCert(pinned)
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	// The certificate must come from the pinned key, also if the server shows others to other clients.
	config := &tls.Config{RootCAs: roots, NextProtos: append(localca.Protocols(certificatePEM(pinned)), "http/1.1")}
	answer, err := send(ctx, config, http.MethodPost, to, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// fetchPinned gets the certificate that the token pins. Nothing is believed of the server but this one certificate,
// whose public key has the hash in the token.
func fetchPinned(ctx context.Context, base, pin string) (*x509.Certificate, error) {
	text, err := send(ctx, &tls.Config{InsecureSkipVerify: true}, http.MethodGet, base+pathAuthority, nil) //nolint:gosec // the hash is checked below
	if err != nil {
		return nil, err
	}
	cert, err := parseCertificate(text)
	if err != nil {
		return nil, fmt.Errorf("the server is not a member of a cluster of Midas: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(Pin(cert)), []byte(pin)) != 1 {
		return nil, errors.New("the token is of another cluster: the hash of the server's authority is not the one in the token")
	}
	return cert, nil
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 1 << 20

func send(ctx context.Context, config *tls.Config, method, to string, body []byte) ([]byte, error) {
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: config, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return nil, fmt.Errorf("the clock of this machine, or that of the server, is wrong: %w", err)
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return text, nil
	}
	var refused problem
	if json.Unmarshal(text, &refused) == nil && refused.Error.Message != "" {
		return nil, errors.New(refused.Error.Message)
	}
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusUnauthorized {
		return nil, errors.New("the server there has no embedded cluster: it was started without --cluster-init")
	}
	return nil, fmt.Errorf("the server answers with status %d", resp.StatusCode)
}
