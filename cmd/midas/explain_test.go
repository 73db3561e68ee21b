package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// TestPageOnExplainComesTrue runs the commands of docs/explain.md one after the other. Each must print what the page
// shows below it, where … stands for anything.
func TestPageOnExplainComesTrue(t *testing.T) { runPage(t, "../../docs/explain.md") }

func runPage(t *testing.T, page string, flags ...string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data, flags...)
	defer p.end(t, os.Interrupt)
	blocks := regexp.MustCompile("(?s)```(sh|text)\n(.*?)\n```").FindAllStringSubmatch(string(text), -1)
	const border = "-- end of block --"
	script := "set -euo pipefail\n"
	var want []string
	for _, b := range blocks {
		if b[1] == "sh" {
			script += b[2] + "\necho '" + border + "'\n"
			want = append(want, "")
		} else {
			want[len(want)-1] = b[2]
		}
	}
	shell := exec.CommandContext(t.Context(), "bash", "-c", script)
	shell.Env = append(os.Environ(), "MIDAS_DATA="+data)
	shell.Stderr = os.Stderr
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	printed := strings.Split(string(out), border)
	if len(printed) != len(want)+1 || len(want) < 3 {
		t.Fatalf("%d blocks were run, want %d:\n%s", len(printed)-1, len(want), out)
	}
	for i, shown := range want {
		expression := "(?s)^" + strings.ReplaceAll(regexp.QuoteMeta(shown), "…", ".*?") + "$"
		if got := strings.TrimSpace(printed[i]); shown != "" && !regexp.MustCompile(expression).MatchString(got) {
			t.Errorf("block %d printed\n%s\nwant\n%s", i+1, got, shown)
		}
	}
}

func TestExplainFromTheCommandLine(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	const gone = "5d5b1f6e-0000-4000-8000-000000000001"
	for name, test := range map[string]struct {
		args []string
		want string // at the beginning
	}{
		"an object id that no principal has": {[]string{"--principal", gone}, "denied\nThe principal " + gone + " does not exist in the directory"},
		"a client id":                        {[]string{"--principal", readAdmin(t, data)["clientId"]}, "allowed\nThe role Owner"},
		"a group scope":                      {[]string{"--principal", "admin@midas.localhost", "--scope", "/subscriptions/" + readAdmin(t, data)["subscriptionId"] + "/resourceGroups/a (b)"}, "allowed\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := told(t, data, append([]string{"explain", "--action", "Microsoft.Compute/virtualMachines/read"}, test.args...)...)
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("it printed %s, want %s", got, test.want)
			}
		})
	}
	refused(t, data, "InvalidAction", "explain", "--principal", gone, "--action", "*")
	refused(t, data, `"nobody": not found`, "explain", "--principal", "nobody", "--action", "A.B/c/read")
	refused(t, data, "is not SOURCE:NAME=VALUE", "explain", "--principal", gone, "--action", "A.B/c/read", "--attribute", "PrincipalType=User")
	refused(t, data, "is not an id", "explain", "--principal", gone, "--action", "A.B/c/read", "--scope", "rg1")
}

// A value of --attribute decides a condition, and is shown.
func TestExplainWithAttributes(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	sub := "/subscriptions/" + readAdmin(t, data)["subscriptionId"]
	const attribute = "Microsoft.Authorization/roleAssignments:PrincipalType"
	eve := made(t, told(t, data, "user", "add", "eve", "--password", "Chosen-Password-7"))["id"]
	sendARM(t, data, p.url, "PUT", sub+"/providers/Microsoft.Authorization/roleAssignments/11111111-0000-4000-8000-000000000001?api-version=2022-04-01",
		`{"properties":{"roleDefinitionId":"`+sub+`/providers/Microsoft.Authorization/roleDefinitions/f58310d9-a9f6-439a-9e8d-f62e7b41a168","principalId":"`+eve+`",
		"conditionVersion":"2.0","condition":"@Request[`+attribute+`] ForAnyOfAnyValues:StringEquals {'Group'}"}}`)
	for _, test := range []struct {
		given []string
		want  string
	}{
		{nil, "] is absent"},
		{[]string{"User"}, "] = {User}"},
		{[]string{"User", "Group"}, "allowed\n"},
	} {
		args := []string{"explain", "--principal", eve, "--action", "Microsoft.Authorization/roleAssignments/write"}
		for _, value := range test.given {
			args = append(args, "--attribute", "request:"+attribute+"="+value)
		}
		if out := told(t, data, args...); !strings.Contains(out, test.want) || strings.HasPrefix(out, "allowed\n") != (test.want == "allowed\n") {
			t.Errorf("%v: %s", test.given, out)
		}
	}
}

// The token comes from a file or the standard input, and is not an argument that the list of processes shows. The output is
// text or JSON, both without characters that a terminal could obey; the exit code tells the verdict if it is asked for.
func TestExplainExchangeFromTheCommandLine(t *testing.T) {
	folder := t.TempDir()
	data := filepath.Join(folder, "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	client := made(t, told(t, data, "app", "create", "deployer"))["appId"]
	encode := base64.RawURLEncoding.EncodeToString
	hostile := "a\u202eb\u009b31m\U000e0041"
	token := encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(`{"iss":"https://a.example","sub":"`+hostile+`","aud":"api://AzureADTokenExchange"}`)) + "." + encode(make([]byte, 256))
	file := filepath.Join(folder, "token")
	if err := os.WriteFile(file, []byte(token+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(in string, args ...string) (out string, code int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "midas", append([]string{"explain", "exchange", "--client-id", client, "--data", data}, args...)...)
		cmd.Stdin = strings.NewReader(in)
		var errs strings.Builder
		cmd.Stderr = &errs
		printed, err := cmd.Output()
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
			t.Fatal(err)
		}
		if all := string(printed) + errs.String(); strings.Contains(all, encode(make([]byte, 256))) || strings.ContainsFunc(all, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("it printed %q", all)
		}
		return string(printed) + errs.String(), cmd.ProcessState.ExitCode()
	}
	fromFile, code := run("", "--token", file)
	if code != 0 || !strings.HasPrefix(fromFile, "refused\nAADSTS70025: ") || !strings.Contains(fromFile, "- The client has no federated identity credentials") || !strings.Contains(fromFile, `a\u202eb\u009b31m`) {
		t.Errorf("exit %d: %s", code, fromFile)
	}
	if out, code := run(token+"\n", "--token", "-", "--exit-code"); code != 3 || !strings.HasPrefix(out, "refused\n") {
		t.Errorf("exit %d: %s", code, out)
	}
	out, code := run(token, "--token", "-", "--output", "json", "--exit-code")
	var x struct {
		Verdict string
		Error   struct{ Code string }
		Token   struct{ Subject string }
	}
	if err := json.Unmarshal([]byte(out), &x); err != nil || code != 3 || x.Verdict != "refused" || x.Error.Code != "AADSTS70025" || x.Token.Subject != hostile {
		t.Errorf("exit %d: %v %s", code, err, out)
	}
	for _, tt := range []struct {
		in, want string
		args     []string
	}{
		{"", "it is empty", []string{"--token", "-"}},
		{strings.Repeat("a", 40<<10), "longer than 32768 bytes", []string{"--token", "-"}},
		{"", "no such file", []string{"--token", filepath.Join(folder, "gone")}},
		{"a.b.c", "ClientNotFound", []string{"--token", "-", "--client-id", "5d5b1f6e-0000-4000-8000-000000000001"}},
		{"a.b.c", "InvalidClientId", []string{"--token", "-", "--client-id", "x"}},
		{token, "--output must be one of", []string{"--token", "-", "--output", "yaml"}},
	} {
		if out, code := run(tt.in, tt.args...); code != 1 && code != 2 || !strings.Contains(out, tt.want) {
			t.Errorf("%q: exit %d: %s", tt.args, code, out)
		}
	}
}
