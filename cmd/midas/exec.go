package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"midas/cmd/midas/internal/child"
	"midas/cmd/midas/internal/proxy"
	"midas/cmd/midas/internal/truststore"
	"midas/internal/client"
)

type execCommand struct {
	dataFlag
	AllowInternet   bool     `help:"Let the command reach hosts other than Azure's too."`
	As              string   `help:"Run the command as a program on this resource, so that it gets tokens of the resource's identities." placeholder:"ID"`
	Env             []string `help:"With --as: pass this variable to the command too, or set it; PREFIX* passes all that begin with PREFIX. Repeatable." placeholder:"NAME[=VALUE]" sep:"none"`
	EnvAll          bool     `help:"With --as: pass the whole environment except variables of Azure's clients and of Midas."`
	KeepAzureConfig bool     `help:"Leave Azure CLI its own configuration folder (AZURE_CONFIG_DIR or ~/.azure)."`
	Command         []string `arg:"" passthrough:"" help:"Command to run, with its arguments."`
}

// Help is shown by midas exec --help.
func (execCommand) Help() string {
	return `Runs a command for which Azure is the server of a data folder, which must be running: management.azure.com, login.microsoftonline.com (with its other names) and graph.microsoft.com lead to it, and all other hosts but this machine are refused. Nothing on the machine is changed, and no root is needed.

The command is given a proxy (HTTPS_PROXY), a file of trusted certificates (SSL_CERT_FILE, REQUESTS_CA_BUNDLE, NODE_EXTRA_CA_CERTS and others), a folder of its own for Azure CLI in the data folder (AZURE_CONFIG_DIR), and the variables of "midas env". Where there is a browser, programs open pages of a sign-in in it (BROWSER), at the server's own address. A program that heeds neither proxy nor certificate variables is not led anywhere. The exit status is the command's, 127 if it was not found, 125 if midas itself failed.

With --as, the command finds the metadata endpoints of a machine, or of any other resource that has identities: those of App Service by their variables, which all of Azure's libraries know, and 169.254.169.254 by the proxy and by AZURE_POD_IDENTITY_AUTHORITY_HOST. It is not the administrator: of the environment it gets what programs need to run (PATH, HOME, LANG, TERM, the variables of language runtimes and the like), and what --env names; credentials stay behind, whatever they are called. Azure CLI gets an empty folder.

Only the command can use what is opened for it: the proxy wants the password in its URL, the endpoints of App Service their header. The metadata service has no secret; on Linux it answers this user's processes and root's only, elsewhere everybody on the machine.

Examples:

  midas exec -- sh -c 'az login --service-principal -u $MIDAS_CLIENT_ID -p $MIDAS_CLIENT_SECRET --tenant $MIDAS_TENANT_ID'
  midas exec -- az identity create -g rg1 -n app
  midas exec --as /subscriptions/.../virtualMachines/web1 -- python app.py
  midas exec --as /subscriptions/.../virtualMachines/web1 --env DATABASE_URL --env 'APP_*' -- python app.py
  midas exec -- bash`
}

// exitExec says that midas itself failed, and not the command that it was to run.
const exitExec = 125

// exitStatus ends midas with the status of a command that has reported its errors itself.
type exitStatus int

// Error implements error.
func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// failedExec is an error of midas exec, with its status.
type failedExec struct {
	status int
	error
}

// Run runs the command.
func (c *execCommand) Run(ctx context.Context, to streams) error {
	status, err := c.run(ctx, to)
	if err != nil {
		return failedExec{status, err}
	}
	return exitStatus(status)
}

func (c *execCommand) run(ctx context.Context, to streams) (status int, err error) {
	words := c.Command
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		return exitExec, errors.New("there is no command to run: midas exec -- COMMAND")
	}
	if err := (inherited{c.Env, c.EnvAll}).check(); err != nil {
		return exitExec, err
	}
	admin, err := client.Open(c.Data)
	if err != nil {
		return exitExec, err
	}
	server, err := admin.Server(ctx)
	if err != nil {
		return exitExec, err
	}
	endpoint, err := admin.EndpointAddress()
	if err != nil {
		return exitExec, err
	}
	a, err := c.agent(ctx, admin)
	if err != nil {
		return exitExec, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	p, err := proxy.Start(proxy.Config{
		Server: server, Endpoint: endpoint, Internet: c.AllowInternet, Metadata: a.metadata,
		Report: func(line string) { fmt.Fprintf(to.err, "midas: %s\n", line) },
	})
	if err != nil {
		return exitExec, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	roots, forget, err := trust(admin)
	if err != nil {
		return exitExec, err
	}
	defer func() { err = errors.Join(err, forget()) }()
	azure, err := c.azureFolder(admin, filepath.Dir(roots))
	if err != nil {
		return exitExec, err
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, to.out, to.err
	around := surroundings{admin: admin, proxy: p.URL(), roots: roots, azure: azure, internet: c.AllowInternet, agent: a}
	if around.program, err = os.Executable(); err != nil {
		return exitExec, fmt.Errorf("find this program: %w", err)
	}
	cmd.Env = around.environment(c.base())
	return child.Run(cmd)
}

// azureFolder makes the folder for Azure CLI, or says that there is to be none. A workload gets one in a
// folder that ends with the command: in the one of the data folder the administrator is signed in.
func (c *execCommand) azureFolder(admin *client.Client, temporary string) (string, error) {
	if c.KeepAzureConfig {
		return "", nil
	}
	folder := filepath.Join(admin.Data, "azure")
	if c.As != "" {
		folder = filepath.Join(temporary, "azure")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("make a folder for Azure CLI: %w", err)
	}
	return folder, nil
}

// trust writes a file of all that this machine trusts and the server's two authorities. It is in a
// folder that only this user can read, so that nobody else can add to it.
func trust(admin *client.Client) (file string, forget func() error, err error) {
	all, err := truststore.Bundle()
	if err != nil {
		return "", nil, err
	}
	for _, name := range []string{admin.CAFile, admin.AzureCAFile} {
		ca, err := os.ReadFile(name)
		if err != nil {
			return "", nil, fmt.Errorf("read the local CA: %w", err)
		}
		all = append(append(all, '\n'), ca...)
	}
	dir, err := os.MkdirTemp("", "midas-exec-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for certificates: %w", err)
	}
	forget = func() error { return os.RemoveAll(dir) }
	file = filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(file, all, 0o600); err != nil {
		return "", nil, errors.Join(fmt.Errorf("write certificates: %w", err), forget())
	}
	return file, forget, nil
}
