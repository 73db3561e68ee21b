package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"midas/internal/atomicfile"
	"midas/internal/host"
)

// DefaultState is the folder of a machine's agent.
const DefaultState = "/var/lib/midas-agent"

// The files in an agent's folder.
const (
	credentialFile = "host.json"
	pendingFile    = "enrolling.pem" // the key of an enrollment that has not ended
	serversFile    = "servers.json"  // that were learnt
	secretFile     = "secret"
	fabricFile     = "service-fabric.pem"
)

// EnrollMachine gets a credential for this machine and writes it to the folder state, which it creates if it
// does not exist. It returns the id of the resource.
func EnrollMachine(ctx context.Context, e Enrollment, state string) (resource string, err error) {
	// The folder and the key are written first: the token can be used once, and after an interruption only a host with
	// the same key can repeat the request.
	if err := os.MkdirAll(state, 0o700); err != nil {
		return "", fmt.Errorf("make the agent's folder: %w", err)
	}
	pending := filepath.Join(state, pendingFile)
	request, key, err := pendingRequest(pending)
	if err != nil {
		return "", fmt.Errorf("enroll: %w", err)
	}
	c, err := e.with(ctx, request, key)
	if err != nil {
		return "", err
	}
	if err := c.Write(filepath.Join(state, credentialFile)); err != nil {
		return "", err
	}
	return c.Resource, os.Remove(pending)
}

// pendingRequest is the request for the key that an interrupted enrollment has left in a file; else it makes a key and
// writes it.
func pendingRequest(file string) (request string, key host.Secret, err error) {
	data, err := os.ReadFile(file)
	if err == nil {
		if block, _ := pem.Decode(data); block != nil {
			if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				if private, ok := parsed.(*ecdsa.PrivateKey); ok {
					return requestFor(private)
				}
			}
		} // a damaged key is replaced
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("read the key of an interrupted enrollment: %w", err)
	}
	if request, key, err = newRequest(); err != nil {
		return "", "", err
	}
	return request, key, atomicfile.Write(file, []byte(key), 0o600)
}

// maxServersFile is the size of the longest file of servers that is read, in bytes.
const maxServersFile = 64 << 10

// readServers reads the servers that the agent in the folder state has learnt. They are checked again where they are
// used. A file that cannot be read is like none: the servers that the operator has named are enough to begin with.
func readServers(state string) (all learnt, err error) {
	f, err := os.Open(filepath.Join(state, serversFile))
	if errors.Is(err, fs.ErrNotExist) {
		return learnt{}, nil
	}
	if err != nil {
		return learnt{}, fmt.Errorf("read the addresses of the server: %w", err)
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxServersFile)).Decode(&all); err != nil {
		return learnt{}, fmt.Errorf("read the addresses of the server, %s: %w", f.Name(), err)
	}
	return all, nil
}

func writeServers(state string, all learnt) error {
	data, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("encode the addresses of the server: %w", err)
	}
	return atomicfile.Write(filepath.Join(state, serversFile), append(data, '\n'), 0o600)
}

// readSecret reads the secret in the folder state. The first start makes it. It stays the same after a
// restart, because running programs still use it.
func readSecret(state string) (host.Secret, error) {
	file := filepath.Join(state, secretFile)
	data, err := os.ReadFile(file)
	if err == nil && len(data) > 0 {
		return host.Secret(strings.TrimSpace(string(data))), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the secret for programs: %w", err)
	}
	secret, err := newSecret()
	if err != nil {
		return "", err
	}
	return secret, atomicfile.Write(file, []byte(secret), 0o600)
}

func newSecret() (host.Secret, error) {
	random := make([]byte, 24)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make a secret: %w", err)
	}
	return host.Secret(base64.RawURLEncoding.EncodeToString(random)), nil
}
