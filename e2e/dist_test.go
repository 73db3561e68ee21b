//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// inContainer runs the image's command in a file system that has nothing but the image's layer, as the image's user, with a network of
// its own, until midas health succeeds and a token was given.
const inContainer = `
set -euo pipefail
layer=$1; root=$2; shift 2
ip link set lo up
tar --extract --gzip --same-owner --preserve-permissions --directory "$root" --file "$layer"
echo 127.0.0.1 localhost > "$root/etc/hosts" # as container engines do
mkdir "$root/dev" && mknod -m 666 "$root/dev/null" c 1 3
chroot=$(command -v chroot)
run() { env -i "${environment[@]}" "$chroot" --userspec=65532:65532 "$root" /usr/bin/midas "$@"; }
environment=("$@")
run --version
! run health
env -i "${environment[@]}" "$chroot" --userspec=65532:65532 "$root" /usr/bin/midas serve > "$root/tmp/log" 2>&1 & # not by a function: the signal must reach the server
server=$!
for _ in $(seq 300); do run health > /dev/null 2>&1 && break; sleep 0.1; done
run health
run token | cut -c1-2
kill $server; wait $server
`

// TestRelease makes an archive and an image, and runs the image's program as a container would.
func TestRelease(t *testing.T) {
	need(t, "unshare", "ip", "chroot", "tar", "mknod")
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "make", "-s", "dist", "VERSION=1.2.3", "PLATFORMS=linux/"+runtime.GOARCH, "DIST="+dir)
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make dist: %v\n%s", err, out)
	}
	base := "midas_1.2.3_linux_" + runtime.GOARCH
	sums := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	sums.Dir = dir
	if out, err := sums.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	var names []string
	for name := range files(t, gunzip(t, content(t, filepath.Join(dir, base+".tar.gz")))) {
		names = append(names, name)
	}
	for _, want := range []string{"midas", "LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md", "docs/operations.md"} {
		if !slices.Contains(names, base+"/"+want) {
			t.Errorf("the archive lacks %s: %v", want, names)
		}
	}
	image := files(t, content(t, filepath.Join(dir, base+".oci.tar")))
	layer, environment := checkImage(t, image)
	path := filepath.Join(dir, "layer.tar.gz")
	if err := os.WriteFile(path, layer, 0o600); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	args := append([]string{"--net", "bash", "-c", inContainer, "container", path, root}, environment...)
	out, err := exec.CommandContext(t.Context(), "unshare", args...).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "midas 1.2.3 (") || !strings.HasSuffix(string(out), "ready\ney\n") {
		log, _ := os.ReadFile(filepath.Join(root, "tmp/log"))
		t.Errorf("%v\n%s\n%s", err, out, log)
	}
}

// checkImage follows the references of an OCI image layout and returns its layer and its environment.
func checkImage(t *testing.T, image map[string][]byte) (layer []byte, environment []string) {
	t.Helper()
	type reference struct{ MediaType, Digest string }
	follow := func(r reference) []byte {
		t.Helper()
		content := image["blobs/"+strings.Replace(r.Digest, ":", "/", 1)]
		if sum := sha256.Sum256(content); "sha256:"+hex.EncodeToString(sum[:]) != r.Digest {
			t.Fatalf("%s has %d bytes with another digest", r.Digest, len(content))
		}
		return content
	}
	var index struct{ Manifests []reference }
	decode(t, image["index.json"], &index)
	var manifest struct {
		Config reference
		Layers []reference
	}
	decode(t, follow(index.Manifests[0]), &manifest)
	var config struct {
		OS, Architecture string
		Config           struct {
			User            string
			Entrypoint, Cmd []string
			Env             []string
			Healthcheck     struct{ Test []string }
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	decode(t, follow(manifest.Config), &config)
	layer = follow(manifest.Layers[0])
	sum := sha256.Sum256(gunzip(t, layer))
	got := strings.Join(append(append([]string{config.OS, config.Architecture, config.Config.User}, config.Config.Entrypoint...), append(config.Config.Cmd, config.Config.Healthcheck.Test...)...), " ")
	if want := "linux " + runtime.GOARCH + " 65532:65532 /usr/bin/midas serve CMD /usr/bin/midas health"; got != want {
		t.Errorf("the configuration is %s, want %s", got, want)
	}
	if config.RootFS.DiffIDs[0] != "sha256:"+hex.EncodeToString(sum[:]) {
		t.Error("the configuration names another layer")
	}
	var docker []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	decode(t, image["manifest.json"], &docker)
	if docker[0].RepoTags[0] != "midas:1.2.3" || image[docker[0].Config] == nil || !bytes.Equal(image[docker[0].Layers[0]], layer) {
		t.Errorf("manifest.json: %+v", docker)
	}
	if size := len(layer); size > 21<<20 {
		t.Errorf("the layer has %d bytes", size)
	}
	return layer, config.Config.Env
}

func decode(t *testing.T, text []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func gunzip(t *testing.T, content []byte) []byte {
	t.Helper()
	from, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// files returns the files of a tar by name.
func files(t *testing.T, content []byte) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for from := tar.NewReader(bytes.NewReader(content)); ; {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if all[header.Name], err = io.ReadAll(from); err != nil {
			t.Fatal(err)
		}
	}
}
