package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"midas"
)

// az prints, in place of Azure CLI, what the commands of docs/state.md ask for.
const az = `#!/bin/sh
case "$1 $2" in
"identity list") echo '[{"id": "/subscriptions/20000000-0000-4000-8000-000000000002/resourceGroups/prod/providers/Microsoft.ManagedIdentity/userAssignedIdentities/api", "location": "westeurope", "name": "api", "principalId": "30000000-0000-4000-8000-000000000002", "resourceGroup": "prod", "tenantId": "20000000-0000-4000-8000-000000000001", "type": "Microsoft.ManagedIdentity/userAssignedIdentities"}]' ;;
*) echo '[]' ;;
esac
`

// TestCommandsOfThePageOnDeclaredState runs all commands of docs/state.md beside a laboratory, with the files that the page shows.
func TestCommandsOfThePageOnDeclaredState(t *testing.T) {
	page, folder, bin := read(t, "../../docs/state.md"), t.TempDir(), t.TempDir()
	blocks := func(language string) (texts []string) {
		for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
			texts = append(texts, block[1])
		}
		return texts
	}
	commands, files := blocks("sh"), blocks("yaml")
	if len(commands) != 3 || len(files) != 2 || strings.Contains(page, "\n```\nmidas") {
		t.Fatalf("the page has %d blocks of commands and %d files", len(commands), len(files))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.WriteFile(filepath.Join(folder, "state.yaml"), []byte(files[0]), 0o600), os.WriteFile(filepath.Join(folder, "fixed.yaml"), []byte(files[1]), 0o600),
		os.WriteFile(filepath.Join(bin, "az"), []byte(az), 0o700), os.Symlink(self, filepath.Join(bin, "midas")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := midas.Start(t.Context(), midas.Config{Data: filepath.Join(folder, "midas-data"), Listen: "127.0.0.1:0", Store: "memory:", Lab: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	shell := exec.CommandContext(t.Context(), "sh", "-exc", strings.Join(commands, "\n"))
	shell.Dir, shell.Env = folder, append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for file, want := range map[string]string{
		"exported.yaml": "userPrincipalName: anna", "lab.yaml": "clientId: 3a000000-0000-4000-8000-000000000002",
		"azure.yaml": "name: api", "midas-state.schema.json": `"federatedCredentials"`,
	} {
		if text := read(t, filepath.Join(folder, file)); !strings.Contains(text, want) || file == "exported.yaml" && strings.Contains(text, "principalId") {
			t.Errorf("%s has\n%s", file, text)
		}
	}
	if !strings.Contains(string(out), "+ role assignment VM reader for application ci") || !strings.Contains(string(out), "Nothing differs") {
		t.Errorf("the commands printed\n%s", out)
	}
}
