// Command packaging builds the Debian package that deb/nfpm.yaml describes from a binary of Midas. "make deb" runs it.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
)

func main() {
	log.SetFlags(0)
	binary := flag.String("binary", "../bin/midas", "the binary to pack")
	arch := flag.String("arch", "amd64", "its architecture, by Go's name")
	version := flag.String("version", "", "version of the package; it begins with a digit")
	dir := flag.String("dir", "../bin", "folder of the package")
	flag.Parse()
	path, err := build(*dir, map[string]string{"BINARY": *binary, "ARCH": *arch, "VERSION": *version})
	if err != nil {
		log.Fatalln("packaging:", err)
	}
	fmt.Println(path)
}

// build writes the package to dir and returns its path. values are those of the variables in deb/nfpm.yaml. The
// environment variable SOURCE_DATE_EPOCH sets the times of the files, so that equal sources give equal packages.
func build(dir string, values map[string]string) (path string, err error) {
	if v := values["VERSION"]; v == "" || v[0] < '0' || v[0] > '9' {
		return "", fmt.Errorf("-version: %q does not begin with a digit, as versions of Debian packages do", v)
	}
	config, err := nfpm.ParseFileWithEnvMapping("deb/nfpm.yaml", func(name string) string { return cmp.Or(values[name], os.Getenv(name)) })
	if err != nil {
		return "", fmt.Errorf("read deb/nfpm.yaml: %w", err)
	}
	info := nfpm.WithDefaults(&config.Info)
	if err := nfpm.PrepareForPackager(info, "deb"); err != nil {
		return "", fmt.Errorf("prepare the package: %w", err)
	}
	path = filepath.Join(dir, deb.Default.ConventionalFileName(info))
	file, err := os.CreateTemp(dir, ".deb-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name()) // it has another name if all went well
	if err := deb.Default.Package(info, file); err != nil {
		return "", fmt.Errorf("write the package: %w", err)
	}
	if err := cmp.Or(file.Chmod(0o644), file.Close()); err != nil {
		return "", err
	}
	return path, os.Rename(file.Name(), path)
}
