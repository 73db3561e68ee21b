package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPageOnExplainComesTrue runs the commands of docs/explain.md one after the other. Each must print what the page
// shows below it, where … stands for anything.
func TestPageOnExplainComesTrue(t *testing.T) { runPage(t, "../../docs/explain.md") }

func runPage(t *testing.T, page string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
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
