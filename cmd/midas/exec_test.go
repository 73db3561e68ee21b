package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fetch is a program of somebody else, which knows nothing of Midas: it asks for URLs and prints the
// statuses.
func fetch() {
	for _, url := range os.Args[1:] {
		resp, err := http.Get(url)
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		fmt.Println(resp.StatusCode)
	}
}

// execute runs midas exec and gives what it printed and its status.
func execute(t *testing.T, env []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "midas", append([]string{"exec"}, args...)...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, append(os.Environ(), env...)
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestExecRoutesAzureToTheServerAndRefusesOtherHosts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("Go reads SSL_CERT_FILE on Linux only")
	}
	data, temp := filepath.Join(t.TempDir(), "data"), t.TempDir()
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	for url, want := range map[string]string{
		"https://management.azure.com/subscriptions?api-version=2022-12-01":              "401\n",
		"https://management.azure.com/metadata/endpoints?api-version=2015-01-01":         "200\n",
		"https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration": "200\n",
		"https://login.windows.net/common/discovery/keys":                                "200\n",
		p.url + "/readyz":                          "200\n",
		"https://example.com/":                     "error: ",
		"http://169.254.169.254/metadata/identity": "403\n",
	} {
		out, errs, status := execute(t, []string{"TMPDIR=" + temp}, "--data", data, "--", "fetch", url)
		if !strings.HasPrefix(out, want) || status != 0 {
			t.Errorf("%s: %d %s%s", url, status, out, errs)
		}
		refused := strings.HasPrefix(want, "error") || want == "403\n"
		if strings.Contains(errs, "refused to connect to ") != refused {
			t.Errorf("%s: said %q", url, errs)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestExecExitStatuses(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	for name, c := range map[string]struct {
		args   []string
		status int
		words  string
	}{
		"success":              {[]string{"true"}, 0, ""},
		"after two lines":      {[]string{"--", "sh", "-c", "exit 3"}, 3, ""},
		"flags of the command": {[]string{"sh", "-c", "exit $#", "--data", "x"}, 1, ""},
		"killed":               {[]string{"--", "sh", "-c", "kill -TERM $$"}, 143, ""},
		"not found":            {[]string{"--", "midas-no-such-program"}, 127, "midas: run midas-no-such-program: "},
		"nothing to run":       {nil, 2, "expected"},
		"only two lines":       {[]string{"--"}, 125, "there is no command to run"},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs, status := execute(t, nil, append([]string{"--data", data}, c.args...)...)
			if status != c.status || !strings.Contains(errs, c.words) || c.words == "" && errs != "" {
				t.Errorf("status %d, said %q", status, errs)
			}
		})
	}
	p.end(t, os.Interrupt)
	if _, errs, status := execute(t, nil, "--data", data, "--", "true"); status != 125 || !strings.Contains(errs, "is midas serve running on "+data+"?") {
		t.Errorf("without a server: %d %q", status, errs)
	}
	if _, errs, status := execute(t, nil, "--data", data+"x", "--", "true"); status != 125 || !strings.Contains(errs, "start the server first") {
		t.Errorf("without a folder: %d %q", status, errs)
	}
}

func TestExecGivesAzureCLIItsOwnFolder(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{nil, filepath.Join(data, "azure")},
		{[]string{"--keep-azure-config"}, "/elsewhere"},
	} {
		args := append(append([]string{"--data", data}, c.flags...), "sh", "-c", "echo $AZURE_CONFIG_DIR; cat")
		out, errs, _ := execute(t, []string{"AZURE_CONFIG_DIR=/elsewhere"}, args...)
		if out != c.want+"\n" {
			t.Errorf("%v: %s%s", c.flags, out, errs)
		}
	}
	if info, err := os.Stat(filepath.Join(data, "azure")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info, err)
	}
}

func TestExecReplacesVariablesThatItSets(t *testing.T) {
	got := replace([]string{"PATH=/bin", "HTTPS_PROXY=http://corporate", "ALL_PROXY=socks5://x", "A=b=c"},
		[]variable{{"HTTPS_PROXY", "http://127.0.0.1:1"}}, "ALL_PROXY")
	if diff := cmp.Diff([]string{"PATH=/bin", "A=b=c", "HTTPS_PROXY=http://127.0.0.1:1"}, got); diff != "" {
		t.Error(diff)
	}
}
