package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"midas"
	"midas/internal/client"
	"midas/internal/state"
)

type applyCommand struct {
	dataFlag
	File          string            `arg:"" optional:"" help:"File or folder with the declared state; - is the standard input." placeholder:"FILE"`
	DryRun        bool              `help:"Only show what would change. The exit code is 2 if something would."`
	Prune         bool              `help:"Delete what is in --scope and is not declared."`
	Scope         string            `help:"Scope of --prune: a resource group such as resourceGroups/rg1, a subscription, or / for everything." placeholder:"SCOPE"`
	Output        string            `help:"Form of the plan: text or json." short:"o" enum:"text,json" default:"text"`
	ResourceGroup string            `help:"Resource group of ARM templates." short:"g" placeholder:"NAME"`
	Parameter     map[string]string `help:"Value of a parameter of ARM templates; repeatable." placeholder:"NAME=VALUE" mapsep:"none"`
	Secrets       string            `help:"File into which generated secrets, passwords and enrollment tokens are written, readable by you only." placeholder:"FILE"`
	Schema        bool              `help:"Print the JSON schema of the declared state, for editors."`
}

// Help is shown by midas apply --help.
func (applyCommand) Help() string {
	return `Brings the running server to the state that files declare: resource groups, identities, resources, users, groups, applications, roles and their assignments, in YAML, JSON or as ARM templates. It shows what changes and changes it; a second run changes nothing. A run that was interrupted, or of which a part has failed, continues when it is run again. Nothing is deleted without --prune, and the administrator never is.

The exit code is 0 if the server is as declared, 1 after a failure, and 2 with --dry-run if something differs.

Examples:

  midas apply state.yaml
  midas apply --dry-run state.yaml
  midas apply --prune --scope resourceGroups/rg1 state.yaml
  midas apply -g rg1 --parameter name=app template.json
  midas apply --schema > midas-state.schema.json`
}

// exitDiffers is the exit code of a dry run that has found differences.
const exitDiffers = 2

// Run applies files.
func (c *applyCommand) Run(ctx context.Context, to streams) error {
	if c.Schema {
		return print(to, string(state.Schema()))
	}
	switch {
	case c.File == "":
		return fmt.Errorf("name a file, a folder, or - for the standard input")
	case c.Prune && c.Scope == "":
		return fmt.Errorf("--prune needs --scope, such as --scope resourceGroups/rg1: what is in it and not declared is deleted")
	case c.Scope != "" && !c.Prune:
		return fmt.Errorf("--scope is the scope of --prune, which is not given")
	}
	plan, err := c.plan(ctx)
	if err != nil {
		return err
	}
	if err := c.show(plan, to.out); err != nil {
		return err
	}
	if c.DryRun && len(plan.Steps) > 0 {
		return exitStatus(exitDiffers)
	}
	if c.DryRun || len(plan.Steps) == 0 {
		return nil
	}
	ctx, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM) // before, a signal ends the command at once
	defer restore()
	_, err = plan.Apply(ctx, applied(to.err))
	return err
}

// plan reads the files and compares them with the server.
func (c *applyCommand) plan(ctx context.Context) (*state.Plan, error) {
	admin, err := client.Open(c.Data)
	if err != nil {
		return nil, err
	}
	server := stateOf(admin)
	files, err := state.ReadFiles(c.File, os.Stdin)
	if err != nil {
		return nil, err
	}
	defaults := server.Defaults()
	defaults.ResourceGroup, defaults.Parameters = c.ResourceGroup, c.Parameter
	declared, err := state.Load(files, defaults)
	if err != nil {
		return nil, err
	}
	options := state.Options{Prune: c.Scope}
	if c.DryRun {
		options.Secrets = state.NewSecrets() // nothing is made
	}
	if c.Secrets != "" {
		if options.Secrets, err = state.OpenSecrets(c.Secrets); err != nil {
			return nil, err
		}
	}
	return server.Plan(ctx, declared, options)
}

func (c *applyCommand) show(plan *state.Plan, out io.Writer) error {
	if c.Output == "text" {
		return plan.Write(out)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(plan)
}

// progressEvery is how often the progress of longer work is shown.
const progressEvery = time.Second

// applied returns a function that writes how much of longer work is done.
func applied(w io.Writer) func(done, of int) {
	next := time.Now().Add(progressEvery)
	return func(done, of int) {
		if now := time.Now(); now.After(next) {
			next = now.Add(progressEvery)
			fmt.Fprintf(w, "midas: %d of %d changes are made\n", done, of)
		}
	}
}

// stateOf is the server of an administrator, for declared states.
func stateOf(admin *client.Client) *state.Server {
	return &state.Server{
		Endpoint: admin.Endpoint, HTTP: admin.HTTP, Token: admin.Token, TenantID: admin.TenantID,
		SubscriptionID: admin.SubscriptionID, ClientID: admin.ClientID, UserName: admin.UserName, Lab: admin.TenantID == midas.LabTenantID,
	}
}
