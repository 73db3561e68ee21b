// Package truststore reads and changes the certificate authorities that this machine trusts. It reads the
// file of all of them, which programs accept in variables such as SSL_CERT_FILE, and changes the folder for
// the authorities that an administrator adds.
package truststore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"midas/internal/atomicfile"
)

// bundles are the files in which systems keep all trusted certificates. Bundle takes the first that exists.
func bundles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Alpine, Arch
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
		"/etc/pki/tls/certs/ca-bundle.crt",                  // older RHEL
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/ssl/cert.pem",                                 // macOS, BSD
	}
}

// Bundle returns the certificates that programs on this machine trust, in PEM: the file that SSL_CERT_FILE
// names, or else the system's file. It returns nil if there is no such file.
func Bundle() ([]byte, error) {
	places := bundles()
	if own := os.Getenv("SSL_CERT_FILE"); own != "" {
		places = []string{own}
	}
	for _, name := range places {
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the trusted certificates of this machine: %w", err)
		}
		return data, nil
	}
	return nil, nil
}

// ErrUnknownSystem says that this package does not support the trust store of this system.
var ErrUnknownSystem = errors.New("the trust store of this system is not supported")

// family is a family of systems: the folder for the authorities that an administrator adds, and the
// command that updates the trust store from it.
type family struct {
	folder string
	update []string
}

func families() []family {
	return []family{
		{"/usr/local/share/ca-certificates", []string{"update-ca-certificates"}},           // Debian, Ubuntu, Alpine
		{"/etc/pki/ca-trust/source/anchors", []string{"update-ca-trust", "extract"}},       // Fedora, RHEL
		{"/etc/pki/trust/anchors", []string{"update-ca-certificates"}},                     // openSUSE
		{"/etc/ca-certificates/trust-source/anchors", []string{"trust", "extract-compat"}}, // Arch
	}
}

// System is the machine's store of trusted authorities.
type System struct {
	Root string                                        // folder that is prepended to all paths; empty for the machine's own
	Run  func(name string, args ...string) error       // runs a command
	Look func(program string) (path string, err error) // finds a command
}

// Machine is the store of this machine.
func Machine() System {
	return System{
		Look: exec.LookPath,
		Run: func(name string, args ...string) error {
			if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
			}
			return nil
		},
	}
}

// Install makes the system trust an authority, and returns the file that it has written. The name is the
// name of the file without its extension.
func (s System) Install(name string, pem []byte) (string, error) {
	f, err := s.family()
	if err != nil {
		return "", err
	}
	path := s.path(f, name)
	if err := atomicfile.Write(path, pem, 0o644); err != nil {
		return "", err
	}
	if err := s.Run(f.update[0], f.update[1:]...); err != nil {
		return "", fmt.Errorf("update the trust store from %s: %w", path, err)
	}
	return path, nil
}

// Uninstall removes the file of Install, updates the trust store, and returns the path of the file. If the
// file does not exist, it returns an empty path and no error.
func (s System) Uninstall(name string) (string, error) {
	f, err := s.family()
	if err != nil {
		return "", err
	}
	path := s.path(f, name)
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("remove the authority: %w", err)
	}
	if err := s.Run(f.update[0], f.update[1:]...); err != nil {
		return "", fmt.Errorf("remove %s from the trust store: %w", path, err)
	}
	return path, nil
}

func (s System) path(f family, name string) string {
	return filepath.Join(s.Root, f.folder, name+".crt")
}

// family finds the family of this system: the first whose folder and command both exist.
func (s System) family() (family, error) {
	for _, f := range families() {
		info, err := os.Stat(filepath.Join(s.Root, f.folder))
		if err != nil || !info.IsDir() {
			continue
		}
		if _, err := s.Look(f.update[0]); err == nil {
			return f, nil
		}
	}
	return family{}, ErrUnknownSystem
}
