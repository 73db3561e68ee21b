// Package atomicfile writes small files, such as keys and credentials, completely or not at all. It writes
// a file under a temporary name, syncs it, renames it, and syncs its folder. So another process never sees a
// part of the file, and no part remains under its name after a crash. The file has the given mode before it
// gets its name; until then its mode is 0600.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Write creates the file or replaces it.
func Write(path string, data []byte, mode fs.FileMode) error {
	return place(content{path: path, data: data, mode: mode, group: -1}, os.Rename)
}

// Stream creates the file or replaces it with what write writes. If write returns an error, the file stays as it was.
func Stream(path string, mode fs.FileMode, write func(io.Writer) error) error {
	return place(content{path: path, write: write, mode: mode, group: -1}, os.Rename)
}

// WriteForGroup creates the file or replaces it. Its owner may write it, and the members of the group may read
// it. The process must be a member of the group, or root.
func WriteForGroup(path string, data []byte, group int) error {
	return place(content{path: path, data: data, mode: 0o640, group: group}, os.Rename)
}

// Create creates the file. If the file exists, Create leaves it unchanged and returns fs.ErrExist. Of several
// processes that create the same file, exactly one succeeds.
func Create(path string, data []byte, mode fs.FileMode) error {
	return place(content{path: path, data: data, mode: mode, group: -1}, os.Link)
}

// content is what a file shall be. The group is -1 for that of the process.
type content struct {
	path  string
	data  []byte
	write func(io.Writer) error // writes the data; nil: they are in data
	mode  fs.FileMode
	group int
}

func place(c content, put func(from, to string) error) (err error) {
	path := c.path
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if rm := os.Remove(f.Name()); rm != nil && !errors.Is(rm, fs.ErrNotExist) && err == nil {
			err = fmt.Errorf("write %s: %w", path, rm)
		}
	}()
	if c.write != nil {
		err = c.write(f)
	} else {
		_, err = f.Write(c.data)
	}
	if err == nil && c.group >= 0 {
		err = f.Chown(-1, c.group)
	}
	if err == nil {
		err = f.Chmod(c.mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := put(f.Name(), path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("create %s: %w", path, fs.ErrExist)
		}
		return fmt.Errorf("rename to %s: %w", path, err)
	}
	return syncDir(dir)
}

// syncDir makes the new name durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // Windows cannot sync folders; NTFS journals names
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}
