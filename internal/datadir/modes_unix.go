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

// public are the files that others may read: certificates, and the number of a process.
var public = map[string]bool{"ca.pem": true, lockFile: true}

// byFolder are the folders whose files others write with modes of their own. What keeps other users out
// is the folder.
var byFolder = map[string]bool{StoreDir: true, "azure": true}

// protect sees to it that nobody but the owner reads the secrets of the folder or replaces anything in
// it. It takes rights away from files of the owner and says so; whatever it cannot set right is an
// error. The folder itself may be read, since ca.pem is for everybody.
func protect(path string) (mended []string, err error) {
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
			mended = append(mended, what)
		}
		if err == nil && entry.IsDir() && (depth > 1 || depth == 1 && byFolder[entry.Name()]) {
			return fs.SkipDir
		}
		return err
	})
	return mended, err
}

// check looks at one file or folder and mends it. what says what was wrong.
func check(name string, entry fs.DirEntry, depth int, owner uint32) (what string, err error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil // it has just been removed, or is a link to nothing
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
	who := "read"
	if loose&0o022 != 0 {
		who = "change"
	}
	if entry.Type()&fs.ModeSymlink != 0 {
		return "", fmt.Errorf("%s leads to a file that other users can %s (mode %04o): take that away with chmod", name, who, info.Mode().Perm())
	}
	if err := chmod(name, info.Mode().Perm()&^loose); err != nil {
		return "", fmt.Errorf("%s can be %s by other users (mode %04o), and that cannot be taken away: %w", name, past(who), info.Mode().Perm(), err)
	}
	return fmt.Sprintf("other users could %s %s (mode %04o): this was taken away; if it is a secret, replace it", who, name, info.Mode().Perm()), nil
}

func past(who string) string {
	if who == "change" {
		return "changed"
	}
	return who
}

// chmod does not follow links, so that nobody can have another file changed.
func chmod(name string, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(mode), f.Close())
}

// ownerOf is who must own everything: this user or, for root, whoever owns the folder.
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
