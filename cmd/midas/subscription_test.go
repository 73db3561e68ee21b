package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSubscriptionCommandsOfThePage runs the commands of docs/management-groups.md, in their order.
func TestSubscriptionCommandsOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/management-groups.md")
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	own := readAdmin(t, data)["subscriptionId"]
	lines := regexp.MustCompile(`(?m)^midas (.*)$`).FindAllStringSubmatch(string(page), -1)
	if len(lines) != 5 {
		t.Fatalf("%d commands", len(lines))
	}
	for _, line := range lines {
		told(t, data, strings.Fields(strings.ReplaceAll(line[1], `"$MIDAS_SUBSCRIPTION_ID"`, own))...)
	}
	made := strings.TrimSpace(told(t, data, "subscription", "create", "Production", "--alias", "production"))
	list := told(t, data, "subscription", "list")
	for _, want := range []string{made, own, "Production", "Development", "Enabled"} {
		if !strings.Contains(list, want) {
			t.Errorf("the list lacks %q: %s", want, list)
		}
	}
	told(t, data, "subscription", "cancel", made)
	if list := told(t, data, "subscription", "list"); !strings.Contains(list, "Disabled") {
		t.Errorf("after cancel: %s", list)
	}
	refused(t, data, "not the id", "subscription", "cancel", "production")
	refused(t, data, "not the id of a management group", "subscription", "create", "x", "--management-group", "no/group")
	refused(t, data, "was not found", "subscription", "create", "x", "--management-group", "none")
}
