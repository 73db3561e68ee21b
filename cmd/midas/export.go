package main

import (
	"context"
	"fmt"
	"os"

	"midas/internal/client"
	"midas/internal/state"
)

type exportCommand struct {
	dataFlag
	Scope  string   `arg:"" optional:"" help:"A resource group such as resourceGroups/rg1, or a subscription. Default: everything" placeholder:"SCOPE"`
	IDs    bool     `name:"ids" help:"Also print the ids of principals, applications and role assignments. A server with --lab rebuilds them."`
	FromAz []string `help:"File with what Azure CLI printed with -o json (az group list, az identity list, az vm list, az role assignment list, …), instead of the server; repeatable; - is the standard input." placeholder:"FILE" sep:"none"`
}

// Help is shown by midas export --help.
func (exportCommand) Help() string {
	return `Prints what the running server has, in the form that midas apply reads: applied to the same server it changes nothing, and applied to an empty one it builds the same. The administrator, secrets, passwords and enrolled machines are left out. What cannot be exported is named on the standard error.

With --from-az it prints what a subscription of Azure has, from the output of Azure CLI, so that its set-up can be built locally. No server is needed.

Examples:

  midas export > state.yaml
  midas export resourceGroups/rg1
  midas export --ids > lab.yaml
  az identity list -o json > identities.json; az role assignment list --all -o json > roles.json
  midas export --from-az identities.json --from-az roles.json > state.yaml`
}

// Run prints the declared state.
func (c *exportCommand) Run(ctx context.Context, to streams) error {
	export, err := c.export(ctx)
	if err != nil {
		return err
	}
	text, err := export.YAML()
	if err != nil {
		return err
	}
	for _, note := range export.Notes {
		fmt.Fprintln(to.err, "midas:", note)
	}
	return print(to, string(text))
}

func (c *exportCommand) export(ctx context.Context) (*state.Export, error) {
	if len(c.FromAz) == 0 {
		admin, err := client.Open(c.Data)
		if err != nil {
			return nil, err
		}
		return stateOf(admin).Export(ctx, c.Scope, c.IDs)
	}
	if c.Scope != "" {
		return nil, fmt.Errorf("a scope and --from-az exclude each other")
	}
	if c.IDs {
		return nil, fmt.Errorf("--ids and --from-az exclude each other: Azure CLI does not print all ids")
	}
	var files []state.File
	for _, name := range c.FromAz {
		read, err := state.ReadFiles(name, os.Stdin)
		if err != nil {
			return nil, err
		}
		files = append(files, read...)
	}
	return state.FromAzure(files)
}
