package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExecAsPassesListedVariablesOnly(t *testing.T) {
	base := []string{
		"PATH=/bin", "HOME=/h", "LC_ALL=C", "LANG=C", "TERM=x", "GOPATH=/go", "NODE_OPTIONS=--x",
		"DATABASE_URL=secret", "APP_ONE=1", "APP_TWO=a=b", "APPLE=1", "GITHUB_TOKEN=secret",
		"MIDAS_USER_NAME=admin", "MIDAS_USER_PASSWORD=secret", "MIDAS_CLIENT_SECRET=secret", "MIDAS_ANYTHING=secret", "MIDAS_DATA=/d",
		"AZURE_CLIENT_SECRET=secret", "AZURE_PASSWORD=secret", "AZURE_FEDERATED_TOKEN_FILE=/f", "AZURE_CONFIG_DIR=/c", "ARM_CLIENT_SECRET=secret",
		"IDENTITY_ENDPOINT=x", "IMDS_ENDPOINT=x", "MSI_SECRET=secret", "AWS_SECRET_ACCESS_KEY=secret", "PATHOLOGY=x", "path=x", "=odd", "",
	}
	usual := []string{"PATH=/bin", "HOME=/h", "LC_ALL=C", "LANG=C", "TERM=x", "GOPATH=/go", "NODE_OPTIONS=--x"}
	for name, c := range map[string]struct {
		given inherited
		want  []string
	}{
		"by default": {inherited{}, usual},
		"named":      {inherited{names: []string{"DATABASE_URL", "NOT_SET"}}, append(slices.Clone(usual), "DATABASE_URL=secret")},
		"a prefix":   {inherited{names: []string{"APP_*"}}, append(slices.Clone(usual), "APP_ONE=1", "APP_TWO=a=b")},
		"set":        {inherited{names: []string{"A=b=c", "EMPTY="}}, append(slices.Clone(usual), "A=b=c", "EMPTY=")},
		"all": {inherited{all: true}, append(slices.Clone(usual), "DATABASE_URL=secret", "APP_ONE=1", "APP_TWO=a=b", "APPLE=1", "GITHUB_TOKEN=secret",
			"AWS_SECRET_ACCESS_KEY=secret", "PATHOLOGY=x", "path=x", "=odd", "")},
	} {
		if runtime.GOOS == "windows" {
			t.Skip("names compare without case")
		}
		if diff := cmp.Diff(c.want, c.given.environment(base)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, bad := range []string{"", "*", "=x", "A B", "A\nB"} {
		if (inherited{names: []string{bad}}).check() == nil {
			t.Errorf("--env %q was taken", bad)
		}
	}
}

// TestExecAsHasNoCredentials has every credential of the administrator in its environment, and looks
// for them in that of the command and in what the command can read by it.
func TestExecAsHasNoCredentials(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	id := machine(t, data)
	// The administrator has signed in to Azure CLI within an earlier midas exec.
	if err := os.MkdirAll(filepath.Join(data, "azure"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "azure", "msal_token_cache.json"), []byte("CANARY"), 0o600); err != nil {
		t.Fatal(err)
	}
	var env []string
	for _, name := range []string{"MIDAS_USER_NAME", "MIDAS_USER_PASSWORD", "MIDAS_CLIENT_SECRET", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_ID", "ARM_CLIENT_SECRET", "DATABASE_URL", "WHATEVER"} {
		env = append(env, name+"=CANARY")
	}
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{nil, ""},
		{[]string{"--env", "WHATEVER"}, "WHATEVER=CANARY\n"},
		{[]string{"--env-all"}, "DATABASE_URL=CANARY\nWHATEVER=CANARY\n"},
	} {
		args := append([]string{"--data", data, "--as", id}, append(c.flags, "--", "sh", "-c", "env | grep CANARY | sort; cat $AZURE_CONFIG_DIR/* 2>/dev/null; env | grep ^MIDAS_ | cut -d= -f1 | sort | tr '\\n' ' '; test -d \"$AZURE_CONFIG_DIR\" && test -n \"$PATH\" && echo ok")...)
		out, errs, status := execute(t, env, args...)
		want := c.want + "MIDAS_CA MIDAS_ENDPOINT MIDAS_SUBSCRIPTION_ID MIDAS_TENANT_ID ok\n"
		if out != want || status != 0 {
			t.Errorf("%v: %d %q%s, want %q", c.flags, status, out, errs, want)
		}
	}
	if out, errs, status := execute(t, nil, "--data", data, "--as", id, "--env", "*", "--", "true"); status != 125 || !strings.Contains(errs, "--env-all") {
		t.Errorf("--env '*': %d %s%s", status, out, errs)
	}
}

// TestExecAsServesItsOwnUserOnly sends requests as another user of the machine who knows every port.
func TestExecAsServesItsOwnUserOnly(t *testing.T) {
	if os.Getuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("only root can be another user")
	}
	setpriv, err := exec.LookPath("setpriv")
	curl, missing := exec.LookPath("curl")
	if err != nil || missing != nil {
		t.Skip("there is no setpriv, or no curl")
	}
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	id := machine(t, data)
	const path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com"
	ask := func(by, of string) string {
		return fmt.Sprintf(`%s env -i %s -s -m 10 -o /dev/null -w '%%{http_code} ' -H Metadata:true %s;`, by, curl, of)
	}
	other := setpriv + " --reuid 65534 --regid 65534 --clear-groups"
	imds, proxied := `"$AZURE_POD_IDENTITY_AUTHORITY_HOST`+path+`"`, `-x "http://${HTTP_PROXY##*@}" "http://169.254.169.254`+path+`"`
	app := `"$IDENTITY_ENDPOINT?api-version=2019-08-01&resource=https://management.azure.com"`
	script := ask("", imds) + ask(other, imds) + ask(other, proxied) + ask(other, app) + ask("", `-x "$HTTP_PROXY" "http://169.254.169.254`+path+`"`)
	out, errs, _ := execute(t, nil, "--data", data, "--as", id, "--", "sh", "-c", script)
	if want := "200 000 407 000 200 "; out != want {
		t.Errorf("got %q %s, want %q", out, errs, want)
	}
}
