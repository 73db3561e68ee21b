package main

import (
	"context"

	"midas"
)

type originCommand struct {
	settings
	URL string `arg:"" help:"New URL under which clients reach the servers, https://HOST or https://HOST:PORT."`
}

// Help is shown by midas origin --help.
func (originCommand) Help() string {
	return `Changes the origin of all servers that share a store: an embedded cluster, etcd or PostgreSQL. The origin is the issuer of all tokens. All servers end at once, and start again only with the new origin, or without --origin, so that no two of them issue tokens under different names. Afterwards tokens of before are refused, programs and agents get new ones by themselves if they know the new address, relying parties must trust the new issuer, and clients may need the new ca.pem.

A server that has a store of its own has the origin of its configuration: start it with --origin.

Example:

  midas origin https://identity.example:8443 --data /var/lib/midas`
}

// Run changes the origin.
func (c *originCommand) Run(ctx context.Context, to streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if err := midas.SetOrigin(ctx, cfg, c.URL); err != nil {
		return err
	}
	return print(to, "the origin is "+c.URL+": start all servers again with --origin "+c.URL+", or without --origin\n")
}
