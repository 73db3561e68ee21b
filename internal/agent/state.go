package agent

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
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
	secretFile     = "secret"
	fabricFile     = "service-fabric.pem"
)

// EnrollMachine gets a credential for this machine and writes it to the folder state, which it creates if it
// does not exist. It returns the id of the resource.
func EnrollMachine(ctx context.Context, e Enrollment, state string) (resource string, err error) {
	// The folder is created first: a failure after Enroll would waste the token, which can be used once.
	if err := os.MkdirAll(state, 0o700); err != nil {
		return "", fmt.Errorf("make the agent's folder: %w", err)
	}
	c, err := Enroll(ctx, e)
	if err != nil {
		return "", err
	}
	return c.Resource, c.Write(filepath.Join(state, credentialFile))
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
