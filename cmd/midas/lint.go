package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"midas"
)

type lintCommand struct {
	Roles lintRolesCommand `cmd:"" help:"Find mistakes in roles and role assignments."`
}

// Help is shown by midas lint --help.
func (lintCommand) Help() string {
	return `Example:

  midas lint roles`
}

type lintRolesCommand struct {
	settings
	Output string `short:"o" enum:"text,json" default:"text" help:"Form of the output: text or json, one object a line. Default: text" placeholder:"FORM"`
}

// Help is shown by midas lint roles --help.
func (lintRolesCommand) Help() string {
	return `Prints a line for each finding: its severity (error, warning or info), the rule, the id of the role assignment or role, and what is wrong. The exit code is 3 if there is an error or a warning, and 0 otherwise. While a server runs on the folder, the command asks that server.

Examples:

  midas lint roles
  midas lint roles --data /var/lib/midas --output json`
}

// Run prints the findings.
func (c *lintRolesCommand) Run(ctx context.Context, to streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	var found bytes.Buffer
	if err := midas.LintRoles(ctx, cfg, &found); err != nil {
		return err
	}
	bad := false
	var text strings.Builder
	for line := range strings.Lines(found.String()) {
		var f struct{ Severity, Rule, Subject, Message string }
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			return fmt.Errorf("read the findings: %w", err)
		}
		bad = bad || f.Severity != "info"
		fmt.Fprintln(&text, printable(fmt.Sprintf("%s %s %s: %s", f.Severity, f.Rule, f.Subject, f.Message)))
	}
	if c.Output == "json" {
		text.Reset()
		text.WriteString(found.String())
	}
	if err := print(to, text.String()); err != nil {
		return err
	}
	if bad {
		return exitStatus(3)
	}
	return nil
}
