package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"

	"midas"
)

type dumpCommand struct{ settings }

// Help is shown by midas dump --help.
func (dumpCommand) Help() string {
	return `Prints the content of the store at one moment, in the order of keys. While a server runs on the folder, the command asks that server. The store holds client secrets and passwords only as hashes. The keys that sign tokens, the certificate authorities and the administrator's credentials are sealed.

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
	Reseal   resealCommand   `cmd:"" help:"Change the master key. Tokens stay valid."`
	Reset    resetCommand    `cmd:"" help:"Replace all keys when the master key is lost. All tokens become invalid."`
}

// Help is shown by midas keys --help.
func (keysCommand) Help() string {
	return `Example:

  midas keys rotate
  midas keys withdraw 6dOB4sJ0X2ZkPq1m
  midas keys reseal
  midas keys reset --yes`
}

type rotateCommand struct{ settings }

// Help is shown by midas keys rotate --help.
func (rotateCommand) Help() string {
	return `Publishes a new key and prints its id. The key begins to sign after keys.publishBefore (24h by default), the time that relying parties have to fetch it. The old key stays published until its last token has expired. Without this command, keys are rotated by age.

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
	KID string `arg:"" name:"kid" help:"Id of the key (kid), from the key set or the header of a token."`
}

// Help is shown by midas keys withdraw --help.
func (withdrawCommand) Help() string {
	return `Removes a signing key whose private key may have leaked, and prints its id. This server refuses all tokens that the key has signed at once, and workloads request new ones. Other relying parties refuse them after they have fetched the key set again, which they cache for up to a day. If the key is the current signing key, the server makes a new key that signs at once: relying parties refuse its tokens until they have fetched the key set again. The key set at /common/discovery/v2.0/keys lists the ids of all keys. Write an id that begins with - after --.

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

type resealCommand struct {
	settings
	To       string `help:"File for the new master key; if it exists, the key in it is used. Default: the file of the old one is replaced." placeholder:"FILE"`
	StoreKey bool   `help:"Also replace the store key, and seal everything in the store again. Users must sign in again."`
}

// Help is shown by midas keys reseal --help.
func (resealCommand) Help() string {
	return `Makes a new master key and seals the keys in the store under it. Everything goes on: tokens stay valid, and servers that run need the new key only when they start again, so copy it to them. If the command was interrupted, run it again; until it has finished, the old and the new key are both valid. A master key from an environment variable or a command needs --to FILE: put the key in that file where the configuration reads it.

The store of a version of Midas that had no store key gets one, as with --store-key. If others have seen both the master key and the store, use "midas keys reset".

Examples:

  midas keys reseal --data /var/lib/midas
  midas keys reseal --config /etc/midas.yaml --to /run/midas/new-master.key`
}

// Run prints where the new key is.
func (c *resealCommand) Run(ctx context.Context, to streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	done, err := midas.ResealKeys(ctx, cfg, midas.Reseal{To: c.To, StoreKey: c.StoreKey})
	if err != nil {
		return err
	}
	text := "the new master key is in " + done.File + "; other servers on this store need it when they start again\n"
	if done.StoreKey {
		text += "everything in the store was sealed again with a new store key: users must sign in again\n"
	}
	return print(to, text)
}

type resetCommand struct {
	settings
	Yes   bool `help:"Confirm that all tokens become invalid and that values sealed with the old master key are removed."`
	Force bool `help:"Do so even if other servers use the store. They end by themselves."`
}

// Help is shown by midas keys reset --help.
func (resetCommand) Help() string {
	return `Makes a new master key and a new signing key. Use it if master.key is lost and no backup has it, or if others have seen it. The server must be stopped, and so must all others on the same store; in an embedded cluster stop one, use --force there, copy the new master key to the others, and start them again. All access and refresh tokens become invalid, and sign-ins in progress end. The user data of virtual machines are removed, because they cannot be opened without the old key. If the old key is lost, the certificate authorities end too: clients need the new ca.pem, and hosts must be enrolled again. A master key from an environment variable or a command is not changed: put the new one there first. Everything else stays: identities, role assignments, users, secrets of applications. Workloads get new tokens by themselves.

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
		return errors.New("this makes all tokens invalid and removes the values that are sealed with the old master key: confirm it with --yes")
	}
	out, err := midas.ResetKeys(ctx, cfg, c.Force)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s\nremoved: %d codes and refresh tokens, user data of %d machines\n", out.KeyID, out.Grants, out.UserData)
	if out.Authorities {
		text += "the certificate authorities were removed, because the old master key is lost: after the next start give clients the new ca.pem, and enroll hosts again\n"
	}
	return print(to, text)
}
