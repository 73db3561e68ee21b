package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"midas/cmd/midas/internal/truststore"
	"midas/internal/client"
)

type caCommand struct {
	Print     caPrintCommand     `cmd:"" help:"Print the certificates that clients must trust, in PEM."`
	Install   caInstallCommand   `cmd:"" help:"Make this machine trust the authority. Needs root."`
	Uninstall caUninstallCommand `cmd:"" help:"Undo install. Needs root."`
}

// Help is shown by midas ca --help.
func (caCommand) Help() string {
	return `The authority can only sign certificates for the server's own names (localhost, loopback addresses, and the names in its configuration), so it cannot be misused to impersonate other sites. A second authority, for Azure's names, is only trusted by commands under "midas exec".

If the server has a certificate of its operator, "print" also prints its root; "install" does not install that one.

Examples:

  midas ca print > midas.pem
  sudo midas ca install --data midas-data`
}

type caPrintCommand struct{ dataFlag }

// Help is shown by midas ca print --help.
func (caPrintCommand) Help() string {
	return `Example:

  midas ca print > midas.pem`
}

// Run prints the certificates.
func (c *caPrintCommand) Run(to streams) error {
	a, err := openAuthority(c.Data)
	if err != nil {
		return err
	}
	return print(to, string(a.pem))
}

type caInstallCommand struct{ dataFlag }

// Help is shown by midas ca install --help.
func (caInstallCommand) Help() string {
	return `Supports Debian, Fedora, openSUSE, Arch and the distributions derived from them. On other systems it prints how to install the certificate by hand. Firefox, Java and Node have trust stores of their own, which it does not change.

Example:

  sudo midas ca install --data midas-data`
}

// Run installs the authority.
func (c *caInstallCommand) Run(to streams) error {
	a, err := openAuthority(c.Data)
	if err != nil {
		return err
	}
	path, err := truststore.Machine().Install(a.name, a.own)
	if err != nil {
		return a.advise(err, "sudo midas ca install --data "+quote(a.data), byHand)
	}
	return print(to, "this machine trusts "+a.subject+" ("+path+")\n")
}

type caUninstallCommand struct{ dataFlag }

// Help is shown by midas ca uninstall --help.
func (caUninstallCommand) Help() string {
	return `Example:

  sudo midas ca uninstall --data midas-data`
}

// Run removes the authority.
func (c *caUninstallCommand) Run(to streams) error {
	a, err := openAuthority(c.Data)
	if err != nil {
		return err
	}
	path, err := truststore.Machine().Uninstall(a.name)
	if err != nil {
		return a.advise(err, "sudo midas ca uninstall --data "+quote(a.data), "remove it in the same way as it was added")
	}
	if path == "" {
		return print(to, "this machine does not trust "+a.subject+"\n")
	}
	return print(to, "this machine no longer trusts "+a.subject+"\n")
}

const byHand = `add the file to the system's trust store, for example
  macOS    sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain FILE
  Windows  certutil -addstore Root FILE`

// authority is the certificate authority of a data folder.
type authority struct {
	data, file, subject string
	name                string // of the file in the system's trust store, without its extension
	pem                 []byte // all of ca.pem
	own                 []byte // the server's own authority
}

func openAuthority(data string) (authority, error) {
	admin, err := client.Open(data)
	if err != nil {
		return authority{}, err
	}
	a := authority{data: admin.Data, file: admin.CAFile}
	if a.pem, err = os.ReadFile(a.file); err != nil {
		return authority{}, fmt.Errorf("read the local CA: %w", err)
	}
	block, _ := pem.Decode(a.pem)
	if block == nil {
		return authority{}, fmt.Errorf("%s holds no certificate", a.file)
	}
	a.own = pem.EncodeToMemory(block) // the first one; the others are not limited to the server's names
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return authority{}, fmt.Errorf("read %s: %w", a.file, err)
	}
	a.subject = cert.Subject.CommonName // it contains the start of the key id, so that several do not collide
	a.name = strings.ReplaceAll(strings.ToLower(a.subject), " ", "-")
	return a, nil
}

// advise adds to an error the command or the steps that help.
func (a authority) advise(err error, asRoot, unknown string) error {
	switch {
	case errors.Is(err, truststore.ErrUnknownSystem):
		return fmt.Errorf("%w; the certificate is in %s: %s", err, a.file, strings.ReplaceAll(unknown, "FILE", a.file))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; run it as root: %s", err, asRoot)
	}
	return err
}
