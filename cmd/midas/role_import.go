package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"midas"
)

type roleImportCommand struct {
	settings
	File string `arg:"" help:"File with the roles; - is the standard input." placeholder:"FILE"`
}

// Help is shown by midas role import --help.
func (roleImportCommand) Help() string {
	return `Brings Azure's newest built-in roles to the server, from what "az role definition list" prints or what Azure Resource Manager returns. They are stored for all tenants and decide the next request. Roles of the file replace those of the server that are older; Owner, Contributor, Reader and User Access Administrator never change. Custom roles of the file are reported and not created: they belong to a tenant, and "az role definition create" creates them. If the file is invalid, nothing changes.

The first command needs an Azure CLI that is signed in to Azure.

Example:

  az role definition list -o json > roles.json
  midas role import roles.json`
}

// Run imports a file of roles and prints what has changed.
func (c *roleImportCommand) Run(ctx context.Context, to streams) (err error) {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	file := os.Stdin
	if c.File != "-" {
		if file, err = os.Open(c.File); err != nil {
			return fmt.Errorf("open the file of roles: %w", err)
		}
		defer file.Close()
	}
	report, err := midas.ImportRoles(ctx, cfg, file)
	if err != nil {
		return fmt.Errorf("import %s: %w", c.File, err)
	}
	return print(to, describe(report))
}

// describe returns a report as lines of text.
func describe(r midas.RoleImport) string {
	var lines strings.Builder
	fmt.Fprintf(&lines, "%d built-in roles are new, %d have changed, %d were there already.\n", r.Added, r.Changed, r.Unchanged)
	for _, left := range []struct {
		why   string
		names []string
	}{
		{"Not changed, because everybody's rights rest on them", r.Fixed},
		{"Not changed, because the server has a version that is as new or newer", r.Older},
		{"Not created, because custom roles belong to a tenant", r.Custom},
		{"Not stored, because an action cannot be understood", r.Unusable},
	} {
		if len(left.names) > 0 {
			fmt.Fprintf(&lines, "%s: %s.\n", left.why, strings.Join(left.names, ", "))
		}
	}
	return lines.String()
}
