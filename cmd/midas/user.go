package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"

	"midas/internal/client"
	"midas/internal/password"
)

// administrator has the flag of the commands that send requests to a running server as its administrator.
type administrator struct{ dataFlag }

func (a administrator) open() (*client.Client, error) { return client.Open(a.Data) }

// printJSON prints an object as indented JSON.
func printJSON(to streams, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return print(to, string(text)+"\n")
}

// table prints a list, one line for each element.
func table[T any](to streams, all []T, columns func(T) []string) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	for _, one := range all {
		fmt.Fprintln(w, strings.Join(columns(one), "\t"))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return print(to, text.String())
}

type userCommand struct {
	Add      userAddCommand      `cmd:"" help:"Create a user."`
	List     userListCommand     `cmd:"" help:"List the users."`
	Password userPasswordCommand `cmd:"" help:"Set a user's password."`
	Delete   userDeleteCommand   `cmd:"" help:"Delete a user."`
}

// Help is shown by midas user --help.
func (userCommand) Help() string {
	return `Example:

  midas user add alice`
}

type userAddCommand struct {
	administrator
	Name        string `arg:"" help:"User principal name. Without an @, the tenant's own domain is added."`
	DisplayName string `help:"Display name. Default: the name before the @" placeholder:"TEXT"`
	Password    string `help:"Password. Default: a generated one, which is printed" placeholder:"TEXT"`
}

// Help is shown by midas user add --help.
func (userAddCommand) Help() string {
	return `Examples:

  midas user add alice
  midas user add alice --display-name "Alice Liddell" --password "$PASSWORD"`
}

// Run creates a user.
func (c *userAddCommand) Run(ctx context.Context, to streams) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	display, _, _ := strings.Cut(c.Name, "@")
	override(&display, c.DisplayName)
	chosen := password.Generate()
	override(&chosen, c.Password)
	made, err := admin.AddUser(ctx, qualify(c.Name, admin), display, chosen)
	if err != nil {
		return err
	}
	if c.Password != "" {
		chosen = "" // it was given on the command line
	}
	return printJSON(to, struct {
		client.User
		Password string `json:"password,omitempty"`
	}{made, chosen})
}

// qualify adds the domain of the administrator's user name to a name without a domain.
func qualify(name string, admin *client.Client) string {
	_, domain, found := strings.Cut(admin.UserName, "@")
	if strings.Contains(name, "@") || !found {
		return name
	}
	return name + "@" + domain
}

type userListCommand struct{ administrator }

// Help is shown by midas user list --help.
func (userListCommand) Help() string {
	return `Prints object ids, user principal names and display names.

Example:

  midas user list`
}

// Run lists the users.
func (c *userListCommand) Run(ctx context.Context, to streams) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	all, err := admin.Users(ctx)
	if err != nil {
		return err
	}
	return table(to, all, func(u client.User) []string { return []string{u.ID, u.UserPrincipalName, u.DisplayName} })
}

type userPasswordCommand struct {
	administrator
	User     string `arg:"" help:"User principal name or object id."`
	Password string `help:"Password. Default: a generated one, which is printed" placeholder:"TEXT"`
}

// Help is shown by midas user password --help.
func (userPasswordCommand) Help() string {
	return `Prints the password if it was generated. The user's earlier tokens become invalid.

Example:

  PASSWORD=$(midas user password alice)`
}

// Run sets a password.
func (c *userPasswordCommand) Run(ctx context.Context, to streams) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	if c.Password != "" {
		return admin.SetPassword(ctx, qualifyName(c.User, admin), c.Password)
	}
	chosen := password.Generate()
	if err := admin.SetPassword(ctx, qualifyName(c.User, admin), chosen); err != nil {
		return err
	}
	return print(to, chosen+"\n")
}

// qualifyName is qualify for a user principal name or an object id, which stays as it is.
func qualifyName(user string, admin *client.Client) string {
	if uuid.Validate(user) == nil {
		return user
	}
	return qualify(user, admin)
}

type userDeleteCommand struct {
	administrator
	User string `arg:"" help:"User principal name or object id."`
}

// Help is shown by midas user delete --help.
func (userDeleteCommand) Help() string {
	return `Example:

  midas user delete alice`
}

// Run deletes a user.
func (c *userDeleteCommand) Run(ctx context.Context) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	return admin.DeleteUser(ctx, qualifyName(c.User, admin))
}
