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

// EnrollMachine gets the credential of this machine and keeps it in a folder, which is made. It gives the
// id of the resource.
func EnrollMachine(ctx context.Context, e Enrollment, state string) (resource string, err error) {
	// A token is good once, so what can fail before it is used does.
	if err := os.MkdirAll(state, 0o700); err != nil {
		return "", fmt.Errorf("make the agent's folder: %w", err)
	}
	c, err := Enroll(ctx, e)
	if err != nil {
		return "", err
	}
	return c.Resource, c.Write(filepath.Join(state, credentialFile))
}

// readSecret reads the secret of a folder, which stays the same after a restart, because programs that
// run on know it. The first start makes it.
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
