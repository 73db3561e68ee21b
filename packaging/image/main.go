// Command image makes the image of a container from a binary of Midas, as a tar that needs no Docker daemon: an OCI
// image layout that docker load and podman load read too. "make dist" runs it.
package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// The user of the container, who is nobody on any machine, and the folder of the server.
const (
	user = 65532
	data = "/var/lib/midas"
)

func main() {
	log.SetFlags(0)
	binary := flag.String("binary", "../bin/midas", "the binary to pack, for Linux")
	arch := flag.String("arch", "amd64", "its architecture, by Go's name")
	version := flag.String("version", "", "version of the image")
	commit := flag.String("commit", "", "commit of the source")
	dir := flag.String("dir", "../dist", "folder of the image")
	flag.Parse()
	path, err := build(*dir, *binary, *arch, *version, *commit)
	if err != nil {
		log.Fatalln("image:", err)
	}
	fmt.Println(path)
}

// build writes the image to dir and returns its path. The environment variable SOURCE_DATE_EPOCH sets the times of the
// files, so that equal sources give equal images.
func build(dir, binary, arch, version, commit string) (string, error) {
	seconds, err := strconv.ParseInt(cmp.Or(os.Getenv("SOURCE_DATE_EPOCH"), "0"), 10, 64)
	if err != nil {
		return "", fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	created := time.Unix(seconds, 0).UTC()
	files, err := rootFiles(binary, created)
	if err != nil {
		return "", err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil }, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestCompression))
	if err != nil {
		return "", fmt.Errorf("make the layer: %w", err)
	}
	image, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON),
		mutate.Addendum{Layer: layer, MediaType: types.OCILayer, History: v1.History{CreatedBy: "make dist", Created: v1.Time{Time: created}}})
	if err != nil {
		return "", fmt.Errorf("add the layer: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return "", err
	}
	config = config.DeepCopy()
	config.Architecture, config.OS, config.Created = arch, "linux", v1.Time{Time: created}
	config.Config = containerConfig(version, commit)
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return "", err
	}
	return write(filepath.Join(dir, fmt.Sprintf("midas_%s_linux_%s.oci.tar", version, arch)), "midas:"+version, image, created)
}

func containerConfig(version, commit string) v1.Config {
	return v1.Config{
		User: fmt.Sprintf("%d:%d", user, user), WorkingDir: data, Entrypoint: []string{"/usr/bin/midas"}, Cmd: []string{"serve"},
		Env:          []string{"PATH=/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", "MIDAS_DATA=" + data, "MIDAS_LISTEN=:8443"},
		ExposedPorts: map[string]struct{}{"8443/tcp": {}}, Volumes: map[string]struct{}{data: {}}, StopSignal: "SIGTERM",
		Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "/usr/bin/midas", "health"}, Interval: 10 * time.Second, Timeout: 6 * time.Second, StartPeriod: 10 * time.Second, Retries: 3},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "midas",
			"org.opencontainers.image.version":  version,
			"org.opencontainers.image.revision": commit,
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
}

// rootFiles returns the files of the container as a tar.
func rootFiles(binary string, modified time.Time) ([]byte, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	licence, err := os.ReadFile("../LICENSE")
	if err != nil {
		return nil, err
	}
	var roots bytes.Buffer
	for root := range bundle.Roots() {
		if err := pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	to := tar.NewWriter(&out)
	for _, f := range []tar.Header{
		{Name: "etc/passwd", Mode: 0o644}, {Name: "etc/ssl/certs/ca-certificates.crt", Mode: 0o644}, {Name: "usr/bin/midas", Mode: 0o755},
		{Name: "usr/share/licenses/midas/LICENSE", Mode: 0o644}, {Name: "tmp/", Mode: 0o1777}, {Name: "var/lib/midas/", Mode: 0o700, Uid: user, Gid: user},
	} {
		content := map[string][]byte{
			"etc/passwd":                        fmt.Appendf(nil, "midas:x:%d:%d::%s:/nonexistent\n", user, user, data),
			"etc/ssl/certs/ca-certificates.crt": roots.Bytes(),
			"usr/bin/midas":                     program,
			"usr/share/licenses/midas/LICENSE":  licence,
		}[f.Name]
		f.Size, f.ModTime, f.Format = int64(len(content)), modified, tar.FormatPAX
		if err := to.WriteHeader(&f); err != nil {
			return nil, err
		}
		if _, err := to.Write(content); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), to.Close()
}

// write writes an OCI image layout as a tar.
func write(path, name string, image v1.Image, modified time.Time) (string, error) {
	folder, err := os.MkdirTemp("", "midas-image-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	to, err := layout.Write(folder, empty.Index)
	if err != nil {
		return "", err
	}
	if err := to.AppendImage(image, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": name[len("midas:"):], "io.containerd.image.name": name})); err != nil {
		return "", fmt.Errorf("write the image: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "manifest.json"), dockerManifest(name, image), 0o644); err != nil {
		return "", err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".image-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name()) // it has another name if all went well
	out := tar.NewWriter(file)
	if err := pack(out, os.DirFS(folder), modified); err != nil {
		return "", err
	}
	if err := cmp.Or(out.Close(), file.Chmod(0o644), file.Close()); err != nil {
		return "", err
	}
	return path, os.Rename(file.Name(), path)
}

// pack adds all files of a folder, in the order of their names.
func pack(out *tar.Writer, folder fs.FS, modified time.Time) error {
	return fs.WalkDir(folder, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(folder, path)
		if err != nil {
			return err
		}
		if err := out.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(content)), ModTime: modified, Format: tar.FormatPAX}); err != nil {
			return err
		}
		_, err = out.Write(content)
		return err
	})
}
