// Command archive packs a binary of Midas, the licence and the documentation into the archive of a release. "make dist"
// runs it.
package main

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	log.SetFlags(0)
	binary := flag.String("binary", "../bin/midas", "the binary to pack")
	system := flag.String("os", "linux", "its operating system, by Go's name")
	arch := flag.String("arch", "amd64", "its architecture, by Go's name")
	version := flag.String("version", "", "version of the release")
	dir := flag.String("dir", "../dist", "folder of the archive")
	flag.Parse()
	path, err := build(*dir, fmt.Sprintf("midas_%s_%s_%s", *version, *system, *arch), *binary, *system == "windows")
	if err != nil {
		log.Fatalln("archive:", err)
	}
	fmt.Println(path)
}

// member is a file of an archive.
type member struct {
	name, from string
	mode       os.FileMode
}

// members are the files of every archive, from the folder above.
func members(binary string, windows bool) ([]member, error) {
	name := "midas"
	if windows {
		name = "midas.exe"
	}
	all := []member{{name, binary, 0o755}}
	for _, file := range []string{"LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md"} {
		all = append(all, member{file, filepath.Join("..", file), 0o644})
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		return nil, err
	}
	for _, page := range pages {
		all = append(all, member{"docs/" + filepath.Base(page), page, 0o644})
	}
	return all, nil
}

// writer writes the files of an archive in one format.
type writer interface {
	add(m member, root string, size int64, modified time.Time) (io.Writer, error)
	Close() error
}

// build writes the archive to dir and returns its path. The environment variable SOURCE_DATE_EPOCH sets the times of
// the files, so that equal sources give equal archives.
func build(dir, root, binary string, windows bool) (path string, err error) {
	all, err := members(binary, windows)
	if err != nil {
		return "", err
	}
	seconds, err := strconv.ParseInt(cmp.Or(os.Getenv("SOURCE_DATE_EPOCH"), "0"), 10, 64)
	if err != nil {
		return "", fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	path = filepath.Join(dir, root+".tar.gz")
	if windows {
		path = filepath.Join(dir, root+".zip")
	}
	file, err := os.CreateTemp(dir, ".archive-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name()) // it has another name if all went well
	var out writer = newTarball(file)
	if windows {
		out = zipped{zip.NewWriter(file)}
	}
	for _, m := range all {
		if err := copyTo(out, m, root, time.Unix(seconds, 0).UTC()); err != nil {
			return "", fmt.Errorf("pack %s: %w", m.name, err)
		}
	}
	if err := errors.Join(out.Close(), file.Chmod(0o644), file.Close()); err != nil {
		return "", err
	}
	return path, os.Rename(file.Name(), path)
}

func copyTo(out writer, m member, root string, modified time.Time) error {
	from, err := os.Open(m.from)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	to, err := out.add(m, root, info.Size(), modified)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return err
}

// tarball is a .tar.gz.
type tarball struct {
	tar *tar.Writer
	gz  *gzip.Writer
}

func newTarball(to io.Writer) tarball {
	gz := gzip.NewWriter(to)
	return tarball{tar.NewWriter(gz), gz}
}

func (t tarball) add(m member, root string, size int64, modified time.Time) (io.Writer, error) {
	return t.tar, t.tar.WriteHeader(&tar.Header{Name: root + "/" + m.name, Mode: int64(m.mode), Size: size, ModTime: modified, Format: tar.FormatPAX})
}

func (t tarball) Close() error { return errors.Join(t.tar.Close(), t.gz.Close()) }

// zipped is a .zip.
type zipped struct{ *zip.Writer }

func (z zipped) add(m member, root string, _ int64, modified time.Time) (io.Writer, error) {
	header := &zip.FileHeader{Name: root + "/" + m.name, Method: zip.Deflate, Modified: modified}
	header.SetMode(m.mode)
	return z.CreateHeader(header)
}
