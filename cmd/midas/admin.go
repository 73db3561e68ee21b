package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"midas"
)

type dumpCommand struct{ settings }

// Help is shown by midas dump --help.
func (dumpCommand) Help() string {
	return `Prints all that the store held at one moment, in the order of keys. While a server runs on the folder, that server is asked. Secrets are only in it as hashes, and signing keys sealed.

Examples:

  midas dump > midas.jsonl
  midas dump --data /var/lib/midas`
}

// Run prints the dump.
func (c *dumpCommand) Run(ctx context.Context, to streams) error {
	out := bufio.NewWriter(to.out)
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if err := midas.Dump(ctx, cfg, out); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

type keysCommand struct {
	Rotate   rotateCommand   `cmd:"" help:"Make a new key, which replaces the signing key."`
	Withdraw withdrawCommand `cmd:"" help:"Remove a key that has leaked. Tokens that it has signed are refused at once."`
	Reset    resetCommand    `cmd:"" help:"Make all keys anew when the master key is lost. All tokens end."`
}

// Help is shown by midas keys --help.
func (keysCommand) Help() string {
	return `Example:

  midas keys rotate
  midas keys withdraw 6dOB4sJ0X2ZkPq1m
  midas keys reset --yes`
}

type rotateCommand struct{ settings }

// Help is shown by midas keys rotate --help.
func (rotateCommand) Help() string {
	return `Publishes a new key and prints its id. It begins to sign after the time that the configuration gives relying parties to fetch it (keys.publishBefore, 24h by default); the old one stays published until its last token has expired. Keys also change by age, without this command.

Example:

  midas keys rotate --data /var/lib/midas`
}

// Run prints the new key's id.
func (c *rotateCommand) Run(ctx context.Context, to streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	kid, err := midas.RotateKeys(ctx, cfg)
	if err != nil {
		return err
	}
	return print(to, kid+"\n")
}

type withdrawCommand struct {
	settings
	KID string `arg:"" name:"kid" help:"Id of the key (kid), as the key set and the headers of tokens have it."`
}

// Help is shown by midas keys withdraw --help.
func (withdrawCommand) Help() string {
	return `Removes a signing key, for when its private half may have leaked, and prints its id. All tokens that it has signed are refused by this server at once, and workloads ask for new ones. Other relying parties refuse them when they fetch the key set again, which they keep for up to a day. If it is the key that signs, a new key is made and signs at once: relying parties that keep the key set refuse its tokens until they fetch it again. The ids of all keys are in the key set, at /common/discovery/v2.0/keys. An id that begins with - is written after --.

Example:

  midas keys withdraw 6dOB4sJ0X2ZkPq1m --data /var/lib/midas`
}

// Run prints the id of the key that was removed.
func (c *withdrawCommand) Run(ctx context.Context, to streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if err := midas.WithdrawKey(ctx, cfg, c.KID); err != nil {
		return fmt.Errorf("withdraw %s: %w", c.KID, err)
	}
	return print(to, c.KID+"\n")
}

type resetCommand struct {
	settings
	Yes bool `help:"Confirm that all tokens end and that what only the old master key opens is removed."`
}

// Help is shown by midas keys reset --help.
func (resetCommand) Help() string {
	return `Makes a new master key and a new signing key, for when master.key is gone for good and no backup has it, or when others have seen it. The server must be stopped. All access and refresh tokens end, as do sign-ins under way; the user data of virtual machines are removed, since nobody can open them any more. Everything else stays: identities, role assignments, users, secrets of applications, enrolled machines. Workloads get new tokens by themselves.

Example:

  midas keys reset --data /var/lib/midas --yes`
}

// Run prints the new key's id.
func (c *resetCommand) Run(ctx context.Context, to streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if !c.Yes {
		return errors.New("this ends all tokens and removes what only the old master key opens: confirm it with --yes")
	}
	out, err := midas.ResetKeys(ctx, cfg)
	if err != nil {
		return err
	}
	return print(to, fmt.Sprintf("%s\nremoved: %d codes and refresh tokens, user data of %d machines\n", out.KeyID, out.Grants, out.UserData))
}

type versionCommand struct{}

// Help is shown by midas version --help.
func (versionCommand) Help() string {
	return `Example:

  midas version`
}

// Run prints the version.
func (versionCommand) Run(to streams) error {
	return print(to, fmt.Sprintf("midas %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH))
}

// version is what the Go tool has written into the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
