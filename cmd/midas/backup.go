package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"midas"
)

type backupCommand struct {
	settings
	File string `arg:"" help:"File to write, which is replaced as a whole." placeholder:"FILE"`
}

// Help is shown by midas backup --help.
func (backupCommand) Help() string {
	return `Writes the content of the store at one moment, with a checksum. While a server runs on the folder, the command asks that server, which goes on serving. Only you may read the file: it has hashes of secrets and passwords. What is sealed stays sealed, so keep the master key too, in another place; the file names its fingerprint.

Examples:

  midas backup midas.backup
  midas backup --data /var/lib/midas /backup/midas-monday.backup`
}

// Run writes the backup.
func (c *backupCommand) Run(ctx context.Context, to streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	ctx, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer restore()
	done, err := midas.Backup(ctx, cfg, c.File, progress(to.err, "backup"))
	if err != nil {
		return err
	}
	return print(to, fmt.Sprintf("%s: %d records, %d bytes, sealed with the master key %s\n", c.File, done.Records, done.Bytes, done.MasterKey))
}

// progress returns a function that says at most every two seconds how far a command is.
func progress(w io.Writer, what string) func(midas.BackupSummary) {
	last := time.Now()
	return func(s midas.BackupSummary) {
		if time.Since(last) >= 2*time.Second {
			last = time.Now()
			fmt.Fprintf(w, "midas: %s: %d records, %d MiB\n", what, s.Records, s.Bytes>>20)
		}
	}
}

type restoreCommand struct {
	settings
	File        string `arg:"" help:"Backup to restore." placeholder:"FILE"`
	ClusterInit bool   `help:"Begin an embedded cluster in the data folder, and restore into it." env:"MIDAS_CLUSTER_INIT"`
	PeerListen  string `help:"With --cluster-init: as with midas serve." placeholder:"IP:PORT" env:"MIDAS_PEER_LISTEN"`
	Advertise   string `help:"With --cluster-init: address under which the other members will reach this one." placeholder:"HOST:PORT" env:"MIDAS_ADVERTISE"`
	Tokens      string `help:"What becomes of tokens, sign-ins and enrollment tokens of before: keep or end. Default: keep, for a backup that is at most 15 minutes old; for an older one you must decide" placeholder:"keep|end" enum:",keep,end" default:""`
}

// Help is shown by midas restore --help.
func (restoreCommand) Help() string {
	return `Writes a backup into a store that is empty, of any engine: so it is also the way from one engine to another. The whole file is checked before anything is written. While the restore has not ended, no server starts on the store; after an interruption run the same command again.

The server then needs the master key with which the backup was made: copy it to master.key in the data folder, with mode 0600.

What was revoked, withdrawn or removed after the backup was made is there again. With --tokens end, signing keys, sign-ins and enrollment tokens are left out, so that no token of before is accepted.

Examples:

  midas restore midas.backup --data /var/lib/midas
  midas restore midas.backup --store pebble:/srv/midas --tokens end
  midas restore midas.backup --data /srv/midas-cluster --cluster-init --advertise 10.0.0.1:2380`
}

// Run restores the backup.
func (c *restoreCommand) Run(ctx context.Context, to streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	ctx, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer restore()
	cfg.Cluster.Init = cfg.Cluster.Init || c.ClusterInit
	override(&cfg.Cluster.PeerListen, c.PeerListen)
	override(&cfg.Cluster.Advertise, c.Advertise)
	done, err := midas.Restore(ctx, cfg, c.File, midas.RestoreOptions{Tokens: midas.RestoreTokens(c.Tokens), Progress: progress(to.err, "restore")})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("restored %d records of the backup of %s\n", done.Records, done.Created.Format(time.RFC3339))
	if !done.MasterFound {
		text += fmt.Sprintf("before you start the server, put the master key %s at %s\n", done.MasterKey, done.MasterFile)
	}
	if c.Tokens != string(midas.EndTokens) {
		text += fmt.Sprintf("what was revoked, withdrawn or removed after %s is valid again: revoke it again\n", done.Created.Format(time.RFC3339))
	}
	return print(to, text)
}
