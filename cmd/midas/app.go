package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"midas/internal/client"
)

type appCommand struct {
	Create      appCreateCommand      `cmd:"" help:"Create an application and its service principal."`
	List        appListCommand        `cmd:"" help:"List the applications."`
	Secret      appSecretCommand      `cmd:"" help:"Add a secret to an application and print it."`
	Consent     appConsentCommand     `cmd:"" help:"Consent for users to an application's access to an API."`
	Certificate appCertificateCommand `cmd:"" help:"Add a certificate to an application."`
	Delete      appDeleteCommand      `cmd:"" help:"Delete an application and its service principal."`
}

// Help is shown by midas app --help.
func (appCommand) Help() string {
	return `Example:

  midas app create deployer
  SECRET=$(midas app secret deployer)
  midas role assign --assignee deployer --role Contributor`
}

// appName is the argument of most of the commands.
type appName struct {
	App string `arg:"" help:"Display name, client id or object id of the application."`
}

type appCreateCommand struct {
	administrator
	Name          string   `arg:"" help:"Display name."`
	IdentifierURI []string `help:"Identifier URI, with which clients request tokens for the application; repeatable." placeholder:"URI"`
	Redirect      []string `help:"Redirect URI of sign-ins; repeatable." placeholder:"URL"`
	Public        bool     `help:"Make a public client: a program on its user's machine, which has no secret." xor:"kind"`
	Page          bool     `help:"Make a single-page application: a page in a browser, which has no secret and gets refresh tokens for 24 hours." xor:"kind"`
	TokenVersion  int      `help:"Version of access tokens for the application, 1 or 2, which decides their issuer. Default: 1" placeholder:"N"`
}

// Help is shown by midas app create --help.
func (appCreateCommand) Help() string {
	return `Examples:

  midas app create deployer
  midas app create api --identifier-uri api://orders
  midas app create desktop --public --redirect http://localhost
  midas app create page --page --redirect https://app.corp.example/
  midas app create kubernetes --token-version 2`
}

// Run creates an application.
func (c *appCreateCommand) Run(ctx context.Context, to streams) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	made, err := admin.CreateApp(ctx, client.NewApp{
		DisplayName: c.Name, IdentifierURIs: c.IdentifierURI, Redirects: c.Redirect, Public: c.Public, Page: c.Page, TokenVersion: c.TokenVersion,
	})
	if err != nil {
		return err
	}
	return printJSON(to, made)
}

type appListCommand struct{ administrator }

// Help is shown by midas app list --help.
func (appListCommand) Help() string {
	return `Prints client ids, object ids and display names.

Example:

  midas app list`
}

// Run lists the applications.
func (c *appListCommand) Run(ctx context.Context, to streams) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	all, err := admin.Apps(ctx)
	if err != nil {
		return err
	}
	return table(to, all, func(app client.App) []string { return []string{app.ClientID, app.ObjectID, app.DisplayName} })
}

type appSecretCommand struct {
	administrator
	appName
	Days  int    `help:"Days until the secret expires. Default: 365" default:"365" placeholder:"N"`
	Label string `help:"Name for the secret. Default: midas" default:"midas" placeholder:"TEXT"`
}

// Help is shown by midas app secret --help.
func (appSecretCommand) Help() string {
	return `Earlier secrets stay valid until they expire. The secret is printed once; the server stores only a hash of it.

Example:

  SECRET=$(midas app secret deployer --days 30)`
}

// Run makes a secret.
func (c *appSecretCommand) Run(ctx context.Context, to streams) error {
	if c.Days < 1 {
		return fmt.Errorf("--days %d: a secret must be valid for at least one day", c.Days)
	}
	admin, err := c.open()
	if err != nil {
		return err
	}
	secret, err := admin.AddSecret(ctx, c.App, c.Label, time.Now().AddDate(0, 0, c.Days))
	if err != nil {
		return err
	}
	return print(to, secret+"\n")
}

type appCertificateCommand struct {
	administrator
	appName
	File  string `arg:"" help:"Certificate in PEM; a private key in the same file is not read."`
	Label string `help:"Name for the certificate. Default: midas" default:"midas" placeholder:"TEXT"`
}

// Help is shown by midas app certificate --help.
func (appCertificateCommand) Help() string {
	return `Example:

  openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=deployer -keyout key.pem -out cert.pem
  midas app certificate deployer cert.pem`
}

// Run adds a certificate.
func (c *appCertificateCommand) Run(ctx context.Context) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	der, err := certificate(text)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	admin, err := c.open()
	if err != nil {
		return err
	}
	return admin.AddCertificate(ctx, c.App, c.Label, der)
}

// certificate finds the first certificate in PEM.
func certificate(text []byte) ([]byte, error) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("the file contains no certificate")
		}
		if block.Type == "CERTIFICATE" {
			return block.Bytes, nil
		}
		text = rest
	}
}

type appDeleteCommand struct {
	administrator
	appName
}

// Help is shown by midas app delete --help.
func (appDeleteCommand) Help() string {
	return `Example:

  midas app delete deployer`
}

// Run deletes an application.
func (c *appDeleteCommand) Run(ctx context.Context) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	return admin.DeleteApp(ctx, c.App)
}
