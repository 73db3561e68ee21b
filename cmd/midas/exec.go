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
	AllowInternet   bool     `help:"Let the command also reach hosts other than Azure's."`
	As              string   `help:"Run the command as a program on this resource, so that it gets tokens of the resource's identities." placeholder:"ID"`
	Env             []string `help:"With --as: pass this variable to the command too, or set it; PREFIX* passes all that begin with PREFIX. Repeatable." placeholder:"NAME[=VALUE]" sep:"none"`
	EnvAll          bool     `help:"With --as: pass the whole environment except variables of Azure's clients and of Midas."`
	Map             []string `help:"Send the command's connections to a host to another address, such as that of a double of a service; repeatable. The port of HOST is 443 unless it is given; *.HOST means all names below HOST." placeholder:"HOST=ADDR:PORT" sep:"none"`
	KeepAzureConfig bool     `help:"Let Azure CLI use its own configuration folder (AZURE_CONFIG_DIR or ~/.azure)."`
	Command         []string `arg:"" passthrough:"" help:"Command to run, with its arguments."`
}

// Help is shown by midas exec --help.
func (execCommand) Help() string {
	return `Runs a command and sends its requests to Azure to the running server of a data folder: requests to management.azure.com, login.microsoftonline.com (and its other names) and graph.microsoft.com. Requests to all other hosts except this machine are refused. midas exec changes no settings of the machine and does not need root.

It gives the command a proxy (HTTPS_PROXY), a file of trusted certificates (SSL_CERT_FILE, REQUESTS_CA_BUNDLE, NODE_EXTRA_CA_CERTS and others), a separate folder for Azure CLI in the data folder (AZURE_CONFIG_DIR), and the variables of "midas env". If the machine has a browser, BROWSER makes programs open sign-in pages in it, at the server's own address. A program that ignores the proxy and certificate variables is not redirected: it reaches the real Azure, with the secrets in its environment. midas exec warns of programs that are known to do so, such as versions of Node before 22.21 whose own fetch ignores proxies. The exit status is that of the command, 127 if the command was not found, and 125 if midas itself failed.

With --as, the command runs as a program on a machine, or on any other resource that has identities. It finds the endpoint of App Service by environment variables, which all of Azure's libraries know, and the metadata service 169.254.169.254 by the proxy and by AZURE_POD_IDENTITY_AUTHORITY_HOST. It does not get the administrator's credentials. From the environment it gets only the variables that programs need to run (PATH, HOME, LANG, TERM, the variables of language runtimes and similar ones) and those that --env names, so that no credentials are passed on, whatever their names are. Azure CLI gets an empty folder.

With --map, requests to services that Midas does not have go to doubles of them. TLS passes through, so the double needs a certificate for the host that the command trusts: one of this machine's authorities, or of the file in SSL_CERT_FILE when midas exec starts.

Other users cannot use the proxy and the endpoints: the proxy requires the password in its URL, and the App Service endpoint requires a header. The metadata service has no secret; on Linux it answers only processes of this user and of root, on other systems everyone on the machine.

Examples:

  midas exec -- sh -c 'az login --service-principal -u $MIDAS_CLIENT_ID -p $MIDAS_CLIENT_SECRET --tenant $MIDAS_TENANT_ID'
  midas exec -- az identity create -g rg1 -n app
  midas exec --as /subscriptions/.../virtualMachines/web1 -- python app.py
  midas exec --as /subscriptions/.../virtualMachines/web1 --env DATABASE_URL --env 'APP_*' -- python app.py
  midas exec --map 'vault1.vault.azure.net=127.0.0.1:8444' --map 'blobs.test:80=127.0.0.1:10000' -- python app.py
  midas exec -- bash`
}

// exitExec is the exit status when midas itself failed, and not the command.
const exitExec = 125

// exitStatus ends midas with the exit status of a command. Nothing is printed, because the command has
// printed its errors itself.
type exitStatus int

// Error implements error.
func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// failedExec is an error of a command with exit codes of its own, with its status.
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
	doubles, err := mappings(c.Map)
	if err != nil {
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
		Server: server, Endpoint: endpoint, Internet: c.AllowInternet, Metadata: a.metadata, Map: doubles,
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
	environ, err := c.environment(admin, a, p.URL(), roots)
	if err != nil {
		return exitExec, err
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdin, to.out, to.err, environ.apply(c.base())
	if warning := bypassWarning(ctx, words[0], cmd.Env); warning != "" {
		fmt.Fprintf(to.err, "midas: warning: %s\n", warning)
	}
	return child.Run(cmd)
}

// environment makes the folders and files that the variables of the command name.
func (c *execCommand) environment(admin *client.Client, a workload, proxyURL, roots string) (e environment, err error) {
	e = environment{admin: admin, proxy: proxyURL, roots: roots, internet: c.AllowInternet, agent: a}
	folder := filepath.Dir(roots)
	if e.azure, err = c.azureFolder(admin, folder); err != nil {
		return e, err
	}
	if e.java, err = javaOptions(folder, proxyURL, roots, e.direct()); err != nil {
		return e, err
	}
	if e.program, err = os.Executable(); err != nil {
		return e, fmt.Errorf("find this program: %w", err)
	}
	return e, nil
}

// mappings reads the values of --map.
func mappings(values []string) ([]proxy.Mapping, error) {
	var all []proxy.Mapping
	for _, value := range values {
		m, err := proxy.ParseMapping(value)
		if err != nil {
			return nil, fmt.Errorf("--map %w", err)
		}
		all = append(all, m)
	}
	return all, nil
}

// azureFolder makes the folder for Azure CLI. It returns "" with --keep-azure-config. With --as the folder
// is temporary: in the folder below the data folder the administrator may be signed in.
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

// trust writes a file of the certificates that this machine trusts and those of the server's two
// authorities. The file is in a folder that only this user can write, so that no other user can add a
// certificate. The function forget removes it.
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
