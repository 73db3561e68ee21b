package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"midas"
)

type clusterCommand struct {
	Status clusterStatusCommand `cmd:"" help:"Print the members of the cluster."`
	Token  clusterTokenCommand  `cmd:"" help:"Print a token with which one machine can join."`
	Remove clusterRemoveCommand `cmd:"" help:"Remove a member."`
}

// Help is shown by midas cluster --help.
func (clusterCommand) Help() string {
	return `An embedded cluster is an etcd inside of several servers, which nobody has to operate. Three servers go on when one of them fails. The commands ask the server of a data folder, which must be running.

Examples:

  midas serve --cluster-init --listen 10.0.0.1:8443            # on the first machine
  midas cluster token                                          # there: prints TOKEN
  midas serve --join https://10.0.0.1:8443 --token TOKEN --listen 10.0.0.2:8443
  midas cluster status
  midas cluster remove 10.0.0.3:2380                           # a machine that is lost`
}

type clusterStatusCommand struct{ dataFlag }

// Help is shown by midas cluster status --help.
func (clusterStatusCommand) Help() string {
	return `A learner is a new member, which has no vote until it has caught up. Without a majority of members that answer, writes are refused.

Example:

  midas cluster status`
}

// Run prints the members.
func (c *clusterStatusCommand) Run(ctx context.Context, to streams) error {
	status, err := midas.Cluster(ctx, midas.Config{Data: c.Data})
	if err != nil {
		return err
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MEMBER\tID\tROLE\tSTATE")
	for _, m := range status.Members {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", m.Name, m.ID, role(m), state(m))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	fmt.Fprintf(&text, "\ndatabase of this member: %d MiB, %d MiB of them used; writes are refused beyond %d MiB\n",
		status.Database>>20, status.Used>>20, status.Quota>>20)
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

func state(m midas.ClusterMember) string {
	switch {
	case m.Self:
		return "this one"
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
	return `The machine cannot come back with its old data folder. A member without which no majority would remain is not removed.

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
