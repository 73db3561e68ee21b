// Package truststore reads and changes which certificate authorities this machine trusts: the file
// of all of them, which most programs that are told of one file can be given, and the folder into
// which an administrator puts more.
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

// bundles are where systems keep all that they trust, in one file. The first that is there is taken.
func bundles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Alpine, Arch
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
		"/etc/pki/tls/certs/ca-bundle.crt",                  // older RHEL
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/ssl/cert.pem",                                 // macOS, BSD
	}
}

// Bundle gives in PEM what programs on this machine trust: the file of SSL_CERT_FILE, or else the
// system's. Where neither is there it is empty.
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
			return nil, fmt.Errorf("read what this machine trusts: %w", err)
		}
		return data, nil
	}
	return nil, nil
}

// ErrUnknownSystem says that this package does not know how the system keeps its authorities.
var ErrUnknownSystem = errors.New("this system's way of trusting a certificate authority is not known here")

// family is a kind of system: the folder for an administrator's own authorities, and the command
// that makes them known.
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
	Root string                                        // what file names are below; empty for the machine's own
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

// Install makes the system trust an authority, and returns the file that says so. The name is that
// of the file, without an ending.
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
		return "", fmt.Errorf("make the system read %s: %w", path, err)
	}
	return path, nil
}

// Uninstall takes back what Install did, and returns the file that is gone. That there was none is
// no error, and the file name is then empty.
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
		return "", fmt.Errorf("make the system forget %s: %w", path, err)
	}
	return path, nil
}

func (s System) path(f family, name string) string {
	return filepath.Join(s.Root, f.folder, name+".crt")
}

// family finds out what kind of system this is: by its folder and its command, not by its name.
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
