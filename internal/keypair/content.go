package keypair

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// maxFile bounds a file, in bytes. A bundle of all public authorities has a quarter of it.
const maxFile = 1 << 20

// content is what the files contain.
type content struct{ cert, key, ca string }

// content reads the files. They are compared by their whole content, because a program that replaces a file, or the
// link to it, may keep its time and its size.
func (c Config) content() (all content, err error) {
	for _, f := range []struct {
		setting, path string
		into          *string
	}{{"tls.cert", c.Cert, &all.cert}, {"tls.key", c.Key, &all.key}, {"tls.ca", c.CA, &all.ca}} {
		if f.path == "" {
			continue
		}
		if *f.into, err = readFile(f.path); err != nil {
			return content{}, fmt.Errorf("%s: %w", f.setting, err)
		}
	}
	return all, nil
}

// readFile reads a file. It does not wait for the writer of a pipe.
func readFile(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(fmt.Errorf("%s is not a regular file", path), err)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	if len(data) > maxFile {
		return "", fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return strings.TrimPrefix(string(data), byteOrderMark), nil
}

// byteOrderMark is what some editors of Windows put before a text. PEM has none.
const byteOrderMark = "\ufeff"

// Warnings are sentences for the operator about the files that are in use; usually there are none.
func (p *Pair) Warnings() []string {
	all := p.current.Load().warnings
	info, err := os.Stat(p.cfg.Key)
	if p.cfg.Key == "" || err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o007 == 0 {
		return all
	}
	return append(all[:len(all):len(all)], fmt.Sprintf("all users of this machine can read the private key tls.key %s (mode %04o): remove their access with chmod",
		p.cfg.Key, info.Mode().Perm()))
}
