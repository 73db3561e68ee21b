package localca

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"midas/internal/atomicfile"
)

// Storage keeps the private key of one authority and its certificate, both in PEM. Several processes may use one
// storage at the same time.
type Storage interface {
	// Key returns the private key. If there is none, it stores the result of create. Of several processes that
	// create one at the same time, exactly one succeeds, and the others get its key.
	Key(ctx context.Context, create func() ([]byte, error)) ([]byte, error)

	// ChangeCertificate calls change with the stored certificate, nil if there is none, and stores the result
	// unless that is nil. After a write of another process in between it calls change again.
	ChangeCertificate(ctx context.Context, change func(stored []byte) ([]byte, error)) error

	// Names describes where the key and the certificate are stored, for errors.
	Names() (key, certificate string)
}

// FileStorage keeps an authority in the files ca-key.pem and ca.pem of an existing folder.
type FileStorage struct{ Folder string }

// Names returns the paths of the files.
func (f FileStorage) Names() (key, certificate string) {
	return filepath.Join(f.Folder, keyFile), filepath.Join(f.Folder, CertificateFile)
}

// Key reads the key, or creates it. If another process creates it first, it reads that one.
func (f FileStorage) Key(_ context.Context, create func() ([]byte, error)) ([]byte, error) {
	path, _ := f.Names()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		fresh, err := create()
		if err != nil {
			return nil, err
		}
		if err := atomicfile.Create(path, fresh, 0o600); err == nil || !errors.Is(err, fs.ErrExist) {
			return fresh, err
		}
		data, err = os.ReadFile(path)
		return data, wrapRead(err)
	}
	return data, wrapRead(err)
}

func wrapRead(err error) error {
	if err != nil {
		return fmt.Errorf("read the local CA: %w", err)
	}
	return nil
}

// ChangeCertificate replaces ca.pem, or creates it unless another process creates it first.
func (f FileStorage) ChangeCertificate(_ context.Context, change func([]byte) ([]byte, error)) error {
	_, path := f.Names()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		fresh, err := change(nil)
		if err != nil {
			return err
		}
		if err := atomicfile.Create(path, fresh, 0o644); !errors.Is(err, fs.ErrExist) {
			return err
		}
		data, err = os.ReadFile(path)
		if err != nil {
			return wrapRead(err)
		}
		return f.replace(path, data, change)
	}
	if err != nil {
		return wrapRead(err)
	}
	return f.replace(path, data, change)
}

func (f FileStorage) replace(path string, data []byte, change func([]byte) ([]byte, error)) error {
	if data == nil {
		data = []byte{} // an empty file is damaged, not missing
	}
	fresh, err := change(data)
	if err != nil || fresh == nil {
		return err
	}
	return atomicfile.Write(path, fresh, 0o644)
}

// ReadFiles returns the key and the certificate, in PEM, of the authority that an earlier version has stored in the
// files of a folder. The error is fs.ErrNotExist if there is no key. It checks both files; the certificate is nil
// if only that is missing.
func ReadFiles(folder string) (key, certificate []byte, err error) {
	c := &CA{storage: FileStorage{folder}}
	keyName, name := c.storage.Names()
	if key, err = os.ReadFile(keyName); err != nil {
		return nil, nil, wrapRead(err)
	}
	if c.key, err = parseKey(keyName, key); err != nil {
		return nil, nil, err
	}
	certificate, err = os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return key, nil, nil
	}
	if err != nil {
		return nil, nil, wrapRead(err)
	}
	_, err = c.parseAuthority(certificate)
	return key, certificate, err
}
