package main

import (
	"context"
	"time"

	"midas"
)

type healthCommand struct {
	settings
	Timeout time.Duration `help:"Longest time to wait for the answer." default:"5s"`
}

// Help is shown by midas health --help.
func (healthCommand) Help() string {
	return `Asks the server that runs on the data folder whether it accepts requests, as /readyz does. The exit code is 0 if it does, else 1. It is the check of container images.

Examples:

  midas health
  midas health --data /var/lib/midas --timeout 2s`
}

// Run asks the server.
func (c *healthCommand) Run(ctx context.Context, to streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if err := midas.Ready(ctx, cfg); err != nil {
		return err
	}
	return print(to, "ready\n")
}
