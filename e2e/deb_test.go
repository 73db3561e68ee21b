//go:build e2e

package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// aside runs a script in a copy of this machine: what it writes outside of /dev is in memory and is lost at the end, and its
// network is empty but for the loopback interface. The script gets the arguments after the first one; the first
// is the folder that the copy is mounted in.
const aside = `
set -euo pipefail
at=$1; shift
mount -t tmpfs none "$at"
mkdir "$at/upper" "$at/work" "$at/root" "$at/given"
cp "$@" "$at/given/"
mount -t overlay overlay -o "lowerdir=/,upperdir=$at/upper,workdir=$at/work" "$at/root"
mount -t proc none "$at/root/proc"
mount --rbind /dev "$at/root/dev"
mount -t tmpfs -o mode=1777 none "$at/root/tmp"
mount -t tmpfs none "$at/root/run"
mkdir "$at/root/run/given"
mount --bind "$at/given" "$at/root/run/given"
ip link set lo up
arguments=()
for file in "$@"; do arguments+=("/run/given/$(basename "$file")"); done
exec chroot "$at/root" env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin bash "${arguments[@]}"
`

// TestDebianPackage builds two versions of the package, installs one, runs the commands of its units as their users
// by hand, upgrades, removes and purges it.
func TestDebianPackage(t *testing.T) {
	need(t, "dpkg", "adduser", "systemd-analyze", "unshare", "ip", "curl", "setpriv", "runuser")
	dir := t.TempDir()
	var packages []string
	for _, version := range []string{"1.0.0~rc1", "2.0.0"} {
		packages = append(packages, debianPackage(t, dir, version))
	}
	script, err := filepath.Abs("testdata/deb.sh")
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "--net", "bash", "-c", aside, "aside", t.TempDir(), script}, packages...)...)
	out, err := run.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "the package is gone\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// debianPackage builds the package of a version and returns its path.
func debianPackage(t *testing.T, dir, version string) string {
	t.Helper()
	build := exec.CommandContext(t.Context(), "make", "-s", "deb", "VERSION="+version, "DEB="+dir)
	build.Dir = ".."
	out, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("make deb: %v\n%s", err, out)
	}
	lines := strings.Fields(string(out))
	return lines[len(lines)-1]
}

// TestDebianPackageNeedsAVersion refuses versions that dpkg would refuse.
func TestDebianPackageNeedsAVersion(t *testing.T) {
	for _, version := range []string{"v1.0.0", "latest"} {
		build := exec.CommandContext(t.Context(), "go", "run", ".", "-version", version, "-dir", t.TempDir())
		build.Dir = "../packaging"
		if out, err := build.CombinedOutput(); err == nil || !strings.Contains(string(out), "does not begin with a digit") {
			t.Errorf("%s: %v %s", version, err, out)
		}
	}
}
