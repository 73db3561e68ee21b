package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"midas/internal/atomicfile"
)

// maxTokenFile is the size of the longest file that is read, in bytes. No token is longer.
const maxTokenFile = 64 << 10

// tokenFiles are the files of a server, and the group that may read them; -1 if only the owner may.
type tokenFiles struct {
	files []TokenFile
	group int
}

// newTokenFiles checks the files and looks up the group, a name or a number.
func newTokenFiles(ctx context.Context, c ServerConfig) (tokenFiles, error) {
	t := tokenFiles{files: make([]TokenFile, 0, len(c.TokenFiles)), group: -1}
	if err := t.setGroup(c.TokenFileGroup); err != nil {
		return t, fmt.Errorf("token files: %w", err)
	}
	paths := map[string]bool{}
	for _, f := range c.TokenFiles {
		var err error
		if f.Path, err = filepath.Abs(f.Path); err != nil {
			return t, fmt.Errorf("token file: %w", err)
		}
		folder, err := t.check(ctx, f.Path, c.Log)
		if err != nil {
			return t, fmt.Errorf("token file %s: %w", f.Path, err)
		}
		only := filepath.Join(folder, filepath.Base(f.Path))
		if paths[only] {
			return t, fmt.Errorf("token file %s: there are two tokens for it", f.Path)
		}
		paths[only] = true
		t.files = append(t.files, f)
	}
	return t, nil
}

func (t *tokenFiles) setGroup(group string) error {
	if group == "" {
		return nil
	}
	if found, err := user.LookupGroup(group); err == nil {
		group = found.Gid
	}
	id, err := strconv.Atoi(group)
	if err != nil || id < 0 {
		return fmt.Errorf("there is no group %q", group)
	}
	t.group = id
	return nil
}

// check returns the folder of a file, without symbolic links. It is an error if the agent cannot replace the file,
// and if the file is not a token file.
func (t tokenFiles) check(ctx context.Context, path string, log *slog.Logger) (string, error) {
	dir := filepath.Dir(path)
	folder, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("there is no folder %s", dir)
	}
	info, err := os.Stat(folder)
	if err != nil || !info.IsDir() {
		return "", fmt.Errorf("there is no folder %s", dir)
	}
	if there, err := os.Lstat(path); err == nil && !there.Mode().IsRegular() {
		return "", errors.New("there is something else under this name")
	}
	// A mistyped path must not cost another program its file.
	there, err := readTokenFile(path)
	if errors.Is(err, errNoToken) || err == nil && len(there) > 0 && expiry(there).IsZero() {
		return "", errors.New("the file exists and contains something other than a token; remove it, or choose another name")
	}
	if err := t.try(path); err != nil {
		return "", err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		log.WarnContext(ctx, "every user can replace a token file, because every user may write to its folder", "file", path)
	}
	return folder, nil
}

// try makes and removes a file beside a token file, as a replacement of the token file does.
func (t tokenFiles) try(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("the folder cannot be written to: %w", err)
	}
	if t.group >= 0 {
		err = f.Chown(-1, t.group)
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

func (t tokenFiles) write(path string, token []byte) error {
	if t.group >= 0 {
		return atomicfile.WriteForGroup(path, token, t.group)
	}
	return atomicfile.Write(path, token, 0o600)
}

// errNoToken says that a file cannot be a token file.
var errNoToken = errors.New("it is no token file")

// readTokenFile returns the content of a token file. It never waits: somebody may have put a pipe or a device in the
// place of the file.
func readTokenFile(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("read a token file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, errNoToken
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("read a token file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return nil, fmt.Errorf("read a token file: %w", err)
	}
	if len(data) > maxTokenFile {
		return nil, errNoToken
	}
	return data, nil
}
