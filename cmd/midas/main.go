// Command midas runs managed identities as a service. Its subcommands turn flags into the configuration of
// a server (package midas) or of an agent (internal/agent), or ask a running server (internal/client), and
// print the results.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"midas"
	"midas/internal/agent"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// cli is the command line. It is a contract: scripts depend on these names.
type cli struct {
	Serve        serveCommand        `cmd:"" help:"Run the server."`
	Token        tokenCommand        `cmd:"" help:"Print an access token for the administrator."`
	Env          envCommand          `cmd:"" help:"Print the server's addresses, ids and credentials as shell variables."`
	Exec         execCommand         `cmd:"" help:"Run a command whose requests to Azure go to the server."`
	User         userCommand         `cmd:"" help:"Manage users."`
	Group        groupCommand        `cmd:"" help:"Manage groups."`
	App          appCommand          `cmd:"" help:"Manage applications, their secrets and certificates."`
	Role         roleCommand         `cmd:"" help:"Assign and import Azure roles."`
	Apply        applyCommand        `cmd:"" help:"Bring the server to a declared state."`
	Export       exportCommand       `cmd:"" help:"Print the state of the server in the form of midas apply."`
	Explain      explainCommand      `cmd:"" help:"Say why an action is allowed or denied, or why a token is exchanged or refused."`
	Lint         lintCommand         `cmd:"" help:"Find mistakes in what is stored."`
	Subscription subscriptionCommand `cmd:"" help:"Create, rename, cancel and enable subscriptions."`
	Agent        agentCommand        `cmd:"" help:"Enroll a machine and run its agent."`
	Kubernetes   kubernetesCommand   `cmd:"" help:"Let pods of a Kubernetes cluster use identities."`
	Lab          labCommand          `cmd:"" help:"Change how a laboratory behaves: its clock, faults, delays, and a reset."`
	Cloud        cloudCommand        `cmd:"" help:"Describe the server to Azure CLI as a cloud."`
	CA           caCommand           `cmd:"" name:"ca" help:"Manage trust in the server's CA."`
	Cluster      clusterCommand      `cmd:"" help:"Manage the machines of an embedded cluster."`
	Origin       originCommand       `cmd:"" help:"Change the URL of the servers that share a store."`
	Keys         keysCommand         `cmd:"" help:"Manage the keys that sign tokens."`
	JWKS         jwksCommand         `cmd:"" name:"jwks" help:"Export the public keys that verify tokens."`
	Backup       backupCommand       `cmd:"" help:"Write the whole store into a file."`
	Restore      restoreCommand      `cmd:"" help:"Write a backup into an empty store."`
	Check        checkCommand        `cmd:"" help:"Find what is inconsistent in a store."`
	Dump         dumpCommand         `cmd:"" help:"Print the whole store as JSON lines."`
	Health       healthCommand       `cmd:"" help:"Say whether the server is ready."`
	Version      versionCommand      `cmd:"" help:"Print the version."`
	Browse       browseCommand       `cmd:"" hidden:"" help:"Open a sign-in page. For programs under midas exec."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`
}

// Help is shown by midas --help.
func (cli) Help() string {
	return `Example:

  midas serve                  # in one terminal
  eval "$(midas env)"          # in another
  TOKEN=$(midas token)
  curl --cacert "$MIDAS_CA" -H "Authorization: Bearer $TOKEN" "$MIDAS_ENDPOINT/subscriptions?api-version=2022-12-01"`
}

// streams are the standard output and the standard error of a command.
type streams struct{ out, err io.Writer }

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// helped is the panic value that ends run after kong has printed help. It is the exit code.
type helped int

func run(args []string, out, errs io.Writer) (code int) {
	defer func() {
		if r := recover(); r != nil {
			exit, ok := r.(helped)
			if !ok {
				panic(r)
			}
			code = int(exit)
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := newParser(out, errs).Parse(args)
	if err != nil {
		fmt.Fprintf(errs, "midas: %s\nTry \"midas --help\".\n", printableError(err))
		return exitUsage
	}
	return report(command.Run(), errs)
}

func newParser(out, errs io.Writer) *kong.Kong {
	var grammar cli
	parser, err := kong.New(&grammar,
		kong.Name("midas"),
		kong.Description("Managed identities as a service that you run yourself."),
		kong.Vars{"agentState": agent.DefaultState, "data": midas.DefaultData, "listen": midas.DefaultListen, "resource": defaultResource, "version": version()},
		bindingProxyDefaults(),
		kong.Writers(out, errs),
		kong.Exit(func(code int) { panic(helped(code)) }),
		kong.BindTo(context.Background(), (*context.Context)(nil)),
		kong.Bind(streams{out, errs}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		panic(err) // the grammar above is wrong
	}
	return parser
}

// report prints an error and returns its exit code.
func report(err error, errs io.Writer) int {
	var status exitStatus
	var failed failedExec
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &failed):
		fmt.Fprintf(errs, "midas: %s\n", printableError(failed.error))
		return failed.status
	}
	fmt.Fprintf(errs, "midas: %s\n", printableError(err))
	return exitFailed
}
