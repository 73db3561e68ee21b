package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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

// TestExecMapsHostsToDoubles reaches a double of a service with TLS, and checks that wrong mappings end midas
// exec before the command starts.
func TestExecMapsHostsToDoubles(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("Go reads SSL_CERT_FILE on Linux only")
	}
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	double := httptest.NewTLSServer(http.NotFoundHandler()) // its certificate is for example.com
	defer double.Close()
	roots := filepath.Join(t.TempDir(), "double.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: double.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	at := double.Listener.Addr().String()
	out, errs, status := execute(t, []string{"SSL_CERT_FILE=" + roots}, "--data", data, "--map", "example.com="+at, "--map", "*.other.test="+at,
		"--", "fetch", "https://example.com/secrets/x", "https://management.azure.com/subscriptions?api-version=2022-12-01")
	if out != "404\n401\n" || status != 0 {
		t.Errorf("%d %s%s", status, out, errs)
	}
	for value, words := range map[string]string{
		"example.com": "--map", "management.azure.com=" + at: "is Midas", "localhost=" + at: "without the proxy",
	} {
		if out, errs, status := execute(t, nil, "--data", data, "--map", value, "--", "echo", "started"); status != 125 || out != "" || !strings.Contains(errs, words) {
			t.Errorf("%s: %d %s%s", value, status, out, errs)
		}
	}
}

// TestExecWarnsOfNodesThatIgnoreTheProxy runs programs with the name of Node, which print a version.
func TestExecWarnsOfNodesThatIgnoreTheProxy(t *testing.T) {
	data, bin := filepath.Join(t.TempDir(), "data"), t.TempDir()
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	script := "#!/bin/sh\nif [ \"$1\" = --version ]; then echo $NODE_TEST_VERSION; else echo $NODE_USE_ENV_PROXY; fi\n"
	for _, name := range []string{"node", "npm"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		version, program string
		warns            bool
	}{
		{"v20.20.2", "node", true}, {"v20.20.2", "npm", true}, {"v22.20.0", filepath.Join(bin, "node"), true}, {"v23.11.1", "node", true},
		{"v22.21.0", "node", false}, {"v24.0.0", "npm", false}, {"v26.1.0", "node", false}, {"", "node", false}, {"v20.20.2", "echo", false},
	} {
		out, errs, _ := execute(t, []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "NODE_TEST_VERSION=" + c.version, "AZURE_CLIENT_SECRET=x"},
			"--data", data, "--", c.program, "run")
		warned := strings.Contains(errs, "the fetch of Node "+c.version+" ignores the proxy") && strings.Contains(errs, "AZURE_CLIENT_SECRET, MIDAS_CLIENT_SECRET")
		if warned != c.warns || !c.warns && errs != "" {
			t.Errorf("%s %s: %s", c.program, c.version, errs)
		}
		if c.program != "echo" && out != "1\n" {
			t.Errorf("%s %s: NODE_USE_ENV_PROXY is %s", c.program, c.version, out)
		}
	}
}

// TestExecGivesJavaOptionsInAFile checks that the options keep the user's own, and that other users and the
// output of java do not get the password of the proxy.
func TestExecGivesJavaOptionsInAFile(t *testing.T) {
	data, temp := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "a folder")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	script := `echo "$JDK_JAVA_OPTIONS"; cd "$TMPDIR"/midas-exec-*; stat -c %a java.options; cat java.options`
	out, errs, _ := execute(t, []string{"TMPDIR=" + temp, "JDK_JAVA_OPTIONS=-Xmx1g"}, "--data", data, "--", "sh", "-c", script)
	variable, options, _ := strings.Cut(out, "\n")
	if !strings.HasPrefix(variable, `-Xmx1g "@`+temp+"/midas-exec-") || !strings.HasSuffix(variable, `/java.options"`) {
		t.Errorf("the variable is %s %s", variable, errs)
	}
	for _, want := range []string{
		"600\n", `"-Dhttps.proxyHost=127.0.0.1"`, `"-Dhttps.proxyPort=`, `"-Dhttps.proxyPassword=`, `"-Dhttp.proxyHost=127.0.0.1"`,
		`"-Dhttp.nonProxyHosts=localhost|127.*|::1|[::1]|`, `"-Djavax.net.ssl.trustStore=` + temp + "/midas-exec-",
	} {
		if !strings.Contains(options, want) {
			t.Errorf("the options do not have %s:\n%s", want, options)
		}
	}
}
