package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"midas"
)

type checkCommand struct {
	settings
	Output string `short:"o" enum:"text,json" default:"text" help:"Form of the output: text or json, one object a line. Default: text" placeholder:"FORM"`
}

// Help is shown by midas check --help.
func (checkCommand) Help() string {
	return `Reads the whole store at one moment and prints a line for each thing that is inconsistent: the rule, the key of the record, and what is wrong. It changes nothing. While a server runs on the folder, the command asks that server. A store that replicas share is copied into the data folder first, which needs its size there, and the copy is removed.

The exit code is 0 if it has found nothing, 1 if it has found something, and 2 if the store could not be read.

Examples:

  midas check
  midas check --data /var/lib/midas --output json`
}

// Exit codes of midas check.
const (
	exitInconsistent = 1
	exitUnread       = 2
)

// Run checks the store.
func (c *checkCommand) Run(ctx context.Context, to streams) error {
	err := c.check(ctx, to)
	var status exitStatus
	if err != nil && !errors.As(err, &status) {
		return failedExec{exitUnread, err}
	}
	return err
}

// check prints the findings as they come, so that their number has no limit.
func (c *checkCommand) check(ctx context.Context, to streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	from, in := io.Pipe()
	go func() { in.CloseWithError(midas.Check(ctx, cfg, in)) }()
	defer from.Close()
	out := bufio.NewWriter(to.out)
	n := 0
	for lines := json.NewDecoder(from); ; n++ {
		var line json.RawMessage
		err := lines.Decode(&line)
		if err == io.EOF {
			break
		}
		if err == nil {
			err = c.print(out, line)
		}
		if err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if n > 0 {
		return exitStatus(exitInconsistent)
	}
	return nil
}

func (c *checkCommand) print(out io.Writer, line []byte) (err error) {
	if c.Output == "json" {
		_, err = fmt.Fprintf(out, "%s\n", line)
	} else {
		var f struct {
			Rule, Key, Message string
			KeyBase64          []byte
		}
		if err = json.Unmarshal(line, &f); err == nil {
			f.Key += string(f.KeyBase64)
			_, err = fmt.Fprintln(out, printable(fmt.Sprintf("%s %q: %s", f.Rule, f.Key, f.Message)))
		}
	}
	if err != nil {
		return fmt.Errorf("print a finding: %w", err)
	}
	return nil
}
