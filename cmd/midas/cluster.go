package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"midas"
)

type clusterCommand struct {
	Status clusterStatusCommand `cmd:"" help:"Print the members of the cluster."`
	Token  clusterTokenCommand  `cmd:"" help:"Print a token with which one machine can join."`
	Remove clusterRemoveCommand `cmd:"" help:"Remove a member."`
	Reset  clusterResetCommand  `cmd:"" help:"Go on with this machine alone, after the others are lost for ever."`
}

// Help is shown by midas cluster --help.
func (clusterCommand) Help() string {
	return `An embedded cluster is an etcd inside of several servers, which nobody has to operate. Three servers go on when one of them fails. The commands ask the running server of a data folder; only reset needs the server ended, and status works without it too.

Examples:

  midas serve --cluster-init --listen 10.0.0.1:8443            # on the first machine
  midas cluster token                                          # there: prints TOKEN
  midas serve --join https://10.0.0.1:8443 --token TOKEN --listen 10.0.0.2:8443
  midas cluster status
  midas cluster remove 10.0.0.3:2380                           # a machine that is lost
  midas cluster reset                                          # two of three machines are lost for ever`
}

type clusterStatusCommand struct {
	dataFlag
	Output string `enum:"text,json" default:"text" help:"Form of the output: text or json, one object. Default: text" placeholder:"FORM"`
}

// Help is shown by midas cluster status --help.
func (clusterStatusCommand) Help() string {
	return `A learner is a new member, which has no vote until it has caught up. Without a majority of members that answer, writes are refused. While the server does not run, or waits for a majority, the command prints the members that this machine knew last, and which of them answer.

Example:

  midas cluster status
  midas cluster status --output json | jq -e .majority`
}

// Run prints the members.
func (c *clusterStatusCommand) Run(ctx context.Context, to streams) error {
	status, err := midas.Cluster(ctx, midas.Config{Data: c.Data})
	if err != nil {
		return err
	}
	if c.Output == "json" {
		line, err := json.Marshal(status)
		if err != nil {
			return fmt.Errorf("encode the status: %w", err)
		}
		return print(to, string(line)+"\n")
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MEMBER\tID\tROLE\tSTATE")
	for _, m := range status.Members {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", m.Name, m.ID, role(m), memberState(m))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if status.Running {
		fmt.Fprintf(&text, "\ndatabase of this member: %d MiB, %d MiB of them used; writes are refused beyond %d MiB\n",
			status.Database>>20, status.Used>>20, status.Quota>>20)
	} else {
		fmt.Fprintln(&text, "\nno server runs on this data folder, or it waits for a majority of the members: these are the members that it knew last")
	}
	if !status.Majority {
		fmt.Fprintln(&text, "no majority of the members answers: writes are refused until enough servers run again; if they are lost for ever, see midas cluster reset --help")
	}
	for _, alarm := range status.Alarms {
		fmt.Fprintln(&text, "alarm:", alarm)
	}
	return print(to, text.String())
}

func role(m midas.ClusterMember) string {
	switch {
	case m.Leader:
		return "leader"
	case m.Learner:
		return "learner"
	}
	return "voter"
}

func memberState(m midas.ClusterMember) string {
	switch {
	case m.Self && m.Answers:
		return "this one"
	case m.Self:
		return "this one, does not run"
	case m.Answers:
		return "answers"
	}
	return "does not answer"
}

type clusterTokenCommand struct {
	dataFlag
	Lifetime time.Duration `help:"How long the token can be used. Default: 1h" default:"1h"`
}

// Help is shown by midas cluster token --help.
func (clusterTokenCommand) Help() string {
	return `The token is good for one machine and within its lifetime. It contains the hash of the key by which the joining machine recognizes this cluster. Who has it can become a member, and so get all secrets of the installation: keep it as secret as the master key.

Examples:

  TOKEN=$(midas cluster token)
  midas cluster token --lifetime 10m`
}

// Run prints a token.
func (c *clusterTokenCommand) Run(ctx context.Context, to streams) error {
	token, err := midas.NewClusterToken(ctx, midas.Config{Data: c.Data}, c.Lifetime)
	if err != nil {
		return err
	}
	return print(to, token+"\n")
}

type clusterRemoveCommand struct {
	dataFlag
	Member string `arg:"" help:"Name or id of the member, as in midas cluster status."`
}

// Help is shown by midas cluster remove --help.
func (clusterRemoveCommand) Help() string {
	return `The machine cannot come back with its old data folder, and its server ends if it runs. A member without which no majority would remain is not removed, and neither is the last one. The machine on which the command runs and the leader can be removed like others.

Example:

  midas cluster remove 10.0.0.3:2380`
}

// Run removes a member.
func (c *clusterRemoveCommand) Run(ctx context.Context, to streams) error {
	if err := midas.RemoveClusterMember(ctx, midas.Config{Data: c.Data}, c.Member); err != nil {
		return err
	}
	return print(to, c.Member+" is not a member any more\n")
}

type clusterResetCommand struct {
	dataFlag
	MaxSize midas.Size `help:"As with midas serve --cluster-max-size." name:"cluster-max-size" placeholder:"SIZE"`
}

// Help is shown by midas cluster reset --help.
func (clusterResetCommand) Help() string {
	return `Makes the member in the data folder the only one of the cluster. It is for a cluster that has lost the majority of its machines for ever: as long as they could come back, start them instead. What the lost machines have acknowledged and this one has not received is lost. The server must not run, and no other member may run. Afterwards start the server as before, and let other machines join with new data folders and new tokens. The data folders of the lost machines must never be started again.

Example:

  midas cluster reset`
}

// Run makes the member the only one.
func (c *clusterResetCommand) Run(ctx context.Context, to streams) error {
	ctx, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer restore()
	cfg := midas.Config{Data: c.Data, Cluster: midas.ClusterConfig{MaxSize: c.MaxSize}}
	if err := midas.ResetCluster(ctx, cfg); err != nil {
		return err
	}
	return print(to, "this machine is the only member of the cluster now: start its server as before\n")
}
