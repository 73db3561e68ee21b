//go:build unix

package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// public lists the files that other users may read: certificates, and the lock, which holds a process id.
var public = map[string]bool{"ca.pem": true, lockFile: true}

// byFolder lists the folders whose files are written by other programs, which choose the modes. Only the
// mode of the folder itself is checked, because it denies other users access to all files below.
var byFolder = map[string]bool{StoreDir: true, "azure": true}

// protect removes the access of other users to the folder: only its owner may read the secrets and replace
// files. It returns one sentence for each mode that it changed. It returns an error if it cannot change a
// mode. Other users may read the folder itself, because ca.pem is public.
func protect(path string) (removed []string, err error) {
	owner, err := ownerOf(path)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("look at the data folder: %w", err)
		}
		depth := strings.Count(strings.TrimPrefix(name, path), string(filepath.Separator))
		what, err := check(name, entry, depth, owner)
		if what != "" {
			removed = append(removed, what)
		}
		if err == nil && entry.IsDir() && (depth > 1 || depth == 1 && byFolder[entry.Name()]) {
			return fs.SkipDir
		}
		return err
	})
	return removed, err
}

// check checks one file or folder and removes the access of other users. what describes the access that it
// removed.
func check(name string, entry fs.DirEntry, depth int, owner uint32) (what string, err error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil // it has just been removed, or is a link without a target
	}
	if err != nil {
		return "", fmt.Errorf("look at the data folder: %w", err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != owner && uid != 0 {
		return "", fmt.Errorf("%s belongs to another user (%d), who can read and replace it: give it to the user of the server (%d) with chown", name, uid, owner)
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return "", nil
	}
	loose := info.Mode().Perm() & 0o077
	if depth == 0 || public[entry.Name()] {
		loose &= 0o022
	}
	if loose == 0 {
		return "", nil
	}
	access := "read"
	if loose&0o022 != 0 {
		access = "change"
	}
	if entry.Type()&fs.ModeSymlink != 0 {
		return "", fmt.Errorf("%s is a link to a file that other users can %s (mode %04o): remove their access with chmod", name, access, info.Mode().Perm())
	}
	if err := chmod(name, info.Mode().Perm()&^loose); err != nil {
		return "", fmt.Errorf("other users can %s %s (mode %04o), and their access cannot be removed: %w", access, name, info.Mode().Perm(), err)
	}
	return fmt.Sprintf("other users could %s %s (mode %04o): their access was removed; if the file is a secret, replace it", access, name, info.Mode().Perm()), nil
}

// chmod changes the mode of a file. It does not follow links, so that a link cannot make it change a file
// outside the folder.
func chmod(name string, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(mode), f.Close())
}

// ownerOf returns the id of the user who must own all files: the current user or, if that is root, the owner
// of the folder.
func ownerOf(path string) (uint32, error) {
	uid := uint32(os.Geteuid())
	if uid != 0 {
		return uid, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("look at the data folder: %w", err)
	}
	return info.Sys().(*syscall.Stat_t).Uid, nil
}
