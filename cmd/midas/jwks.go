package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"midas"
	"midas/internal/atomicfile"
)

type jwksCommand struct {
	Export jwksExportCommand `cmd:"" help:"Print the public keys of the server, for parties that cannot fetch them."`
}

// Help is shown by midas jwks --help.
func (jwksCommand) Help() string {
	return `Example:

  midas jwks export --output jwks.json`
}

type jwksExportCommand struct {
	settings
	Format string `help:"jwks: a JSON Web Key Set; pem: one PUBLIC KEY block for each key." enum:"jwks,pem" default:"jwks"`
	Output string `help:"File to write, which is replaced as a whole; - is standard output. Default: -" placeholder:"FILE"`
}

// Help is shown by midas jwks export --help.
func (jwksExportCommand) Help() string {
	return `Parties that reach the server need no file: they fetch the keys from its discovery document. The file has public keys only, and the same ones for all tenants. While no server runs on the folder, the command reads the store.

A file goes out of date. A new key is in the set keys.publishBefore (24h by default) before it signs its first token, and an old one until its last token has expired; so export at least twice within keys.publishBefore and give the file to the party each time. After "midas keys withdraw" export at once.

Examples:

  midas jwks export --output jwks.json
  midas jwks export --format pem --data /var/lib/midas`
}

// Run writes the keys.
func (c *jwksExportCommand) Run(ctx context.Context, to streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	var keys strings.Builder
	if err := midas.ExportKeys(ctx, cfg, c.Format == "pem", &keys); err != nil {
		return err
	}
	if c.Output == "" || c.Output == "-" {
		return print(to, keys.String())
	}
	return replaceFile(c.Output, keys.String())
}

// replaceFile writes a file that everybody may read. It replaces no device, pipe or folder, which would be gone then,
// and no symbolic link, but the file that the link names.
func replaceFile(path, text string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return atomicfile.Write(path, []byte(text), 0o644)
}
