// Package datadir manages the data folder of one server: its lock, its master key, and admin.json, which
// holds the administrator's credentials.
//
// One process at a time owns the folder. The operating system releases the lock when the process ends.
// Reading admin.json needs no lock; client commands read the server's address and their credentials from
// it.
package datadir

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"midas/internal/atomicfile"
	"midas/internal/seal"
)

// The files of the folder, apart from those of the certificate authorities.
const (
	AdminFile  = "admin.json"
	MasterFile = "master.key"
	StoreDir   = "store"
	SocketFile = "control.sock"
	lockFile   = "lock"

	// InstallationFile has the id of the installation, if the folder belongs to a server whose store others use too.
	InstallationFile = "installation"
)

// Socket returns the path of the socket on which the server of a folder accepts commands.
func Socket(dir string) string { return filepath.Join(dir, SocketFile) }

// ErrLocked means that another process owns the folder.
var ErrLocked = errors.New("another midas is using it")

// Dir is a folder that this process owns.
type Dir struct {
	path          string
	lock          *os.File
	removedAccess []string
}

// Open locks the folder. It creates a missing folder, readable by its owner only. It removes the access of
// other users to files that must be private, see RemovedAccess, and refuses the folder of another user. The
// error is ErrLocked if another process owns the folder.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	name := filepath.Join(path, lockFile)
	f, err := lock(name)
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("data folder %s: %w%s; stop that process, or use another folder with --data", path, ErrLocked, owner(name))
	}
	if err != nil {
		return nil, fmt.Errorf("lock data folder %s: %w", path, err)
	}
	// The process id is only for error messages. The lock does not depend on it.
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", name, err), f.Close())
	}
	removed, err := protect(path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Dir{path: path, lock: f, removedAccess: removed}, nil
}

// RemovedAccess describes the access of other users that Open has removed, with one sentence for each file.
func (d *Dir) RemovedAccess() []string { return d.removedAccess }

// owner returns the id of the process that holds the lock, in words, or "" if the file does not name it.
func owner(name string) string {
	data, err := os.ReadFile(name)
	if pid := strings.TrimSpace(string(data)); err == nil && pid != "" {
		return " (process " + pid + ")"
	}
	return ""
}

// Path returns the path of the folder, or of a file in it.
func (d *Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{d.path}, elem...)...)
}

// Close unlocks the folder.
func (d *Dir) Close() error {
	if err := d.lock.Close(); err != nil {
		return fmt.Errorf("unlock data folder %s: %w", d.path, err)
	}
	return nil
}

// Installation returns the id of the installation to which the folder belongs; empty if it has none.
func (d *Dir) Installation() (string, error) {
	data, err := os.ReadFile(d.Path(InstallationFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the id of the installation: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// WriteInstallation writes the id of the installation to which the folder belongs.
func (d *Dir) WriteInstallation(id string) error {
	return atomicfile.Write(d.Path(InstallationFile), []byte(id+"\n"), 0o600)
}

// ErrNoMaster says that there is no master key.
var ErrNoMaster = errors.New("there is no master key")

// Master returns the key that encrypts secrets in the store. It is not in the store, so that a copy of the
// store does not reveal its secrets. The error is ErrNoMaster if there is none.
func (d *Dir) Master() (seal.MasterKey, error) { return ReadMaster(d.path) }

// ReadMaster is Dir.Master for a folder that this process does not own, or that does not exist.
func ReadMaster(folder string) (seal.MasterKey, error) {
	name := filepath.Join(folder, MasterFile)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return seal.MasterKey{}, fmt.Errorf("%w in %s", ErrNoMaster, name)
	}
	if err != nil {
		return seal.MasterKey{}, fmt.Errorf("read master key: %w", err)
	}
	key, ok := ParseMaster(data)
	if !ok {
		return seal.MasterKey{}, fmt.Errorf("%s is damaged: it must hold 64 hexadecimal digits; %s", name, Restore)
	}
	return key, nil
}

// ParseMaster reads a master key: 64 hexadecimal digits, with white space around them.
func ParseMaster(text []byte) (key seal.MasterKey, ok bool) {
	data, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(data) != len(key) {
		return key, false
	}
	return seal.MasterKey(data), true
}

// Restore tells operators what to do if the master key is lost, is damaged or belongs to another store.
const Restore = "restore it from a backup or, if it is gone for good, run `midas keys reset`, which ends all tokens"

// MakeMaster makes the first master key. It never replaces one.
func (d *Dir) MakeMaster() (seal.MasterKey, error) {
	key, err := NewMaster()
	if err != nil {
		return key, err
	}
	return key, atomicfile.Create(d.Path(MasterFile), EncodeMaster(key), 0o600)
}

// RemoveMaster removes the master key that MakeMaster has made, if nothing is sealed with it.
func (d *Dir) RemoveMaster() error {
	if err := os.Remove(d.Path(MasterFile)); err != nil {
		return fmt.Errorf("remove the unused master key: %w", err)
	}
	return nil
}

// NewMaster returns a random key.
func NewMaster() (key seal.MasterKey, err error) {
	if _, err := rand.Read(key[:]); err != nil {
		return key, fmt.Errorf("make master key: %w", err)
	}
	return key, nil
}

// EncodeMaster returns the content of a file with a master key.
func EncodeMaster(key seal.MasterKey) []byte { return []byte(hex.EncodeToString(key[:]) + "\n") }
