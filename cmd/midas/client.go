package main

import (
	"context"
	"fmt"
	"strings"

	"midas/internal/client"
)

// dataFlag names the data folder of the server that a command asks.
type dataFlag struct {
	Data string `help:"Folder of the server. Default: ${data}" placeholder:"DIR" default:"${data}" env:"MIDAS_DATA"`
}

const defaultResource = "https://management.azure.com/"

type tokenCommand struct {
	dataFlag
	Resource string `help:"Resource that the token is for. Default: ${resource}" placeholder:"URL" default:"${resource}"`
}

// Help is shown by midas token --help.
func (tokenCommand) Help() string {
	return `Requests the token from the running server with the credentials in admin.json, as any application does, and prints only the token.

Examples:

  TOKEN=$(midas token)
  midas token --resource https://vault.azure.net`
}

// Run prints a token.
func (c *tokenCommand) Run(ctx context.Context, to streams) error {
	admin, err := client.Open(c.Data)
	if err != nil {
		return err
	}
	token, err := admin.Token(ctx, c.Resource)
	if err != nil {
		return err
	}
	return print(to, token+"\n")
}

type envCommand struct{ dataFlag }

// Help is shown by midas env --help.
func (envCommand) Help() string {
	return `Prints MIDAS_ENDPOINT, MIDAS_TENANT_ID, MIDAS_SUBSCRIPTION_ID, MIDAS_CLIENT_ID, MIDAS_CLIENT_SECRET, MIDAS_USER_NAME, MIDAS_USER_PASSWORD and MIDAS_CA (the CA certificate that clients must trust) as export lines for a POSIX shell. The output contains secrets.

Example:

  eval "$(midas env)"`
}

// Run prints the export lines.
func (c *envCommand) Run(to streams) error {
	admin, err := client.Open(c.Data)
	if err != nil {
		return err
	}
	var lines strings.Builder
	for _, v := range variables(admin) {
		fmt.Fprintf(&lines, "export %s=%s\n", v.name, quote(v.value))
	}
	return print(to, lines.String())
}

// quote quotes a value so that a POSIX shell reads it as one word.
func quote(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-./:@%+=,", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// print writes a result. A failed write is an error, so that a script does not go on without the result.
func print(to streams, text string) error {
	if _, err := fmt.Fprint(to.out, text); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
