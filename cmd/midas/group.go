package main

import (
	"context"

	"midas/internal/client"
)

type groupCommand struct {
	Add    groupAddCommand    `cmd:"" help:"Create a group."`
	List   groupListCommand   `cmd:"" help:"List the groups."`
	Delete groupDeleteCommand `cmd:"" help:"Delete a group. Its members stay."`
	Member memberCommand      `cmd:"" help:"Manage the members of a group."`
}

// Help is shown by midas group --help.
func (groupCommand) Help() string {
	return `Examples:

  midas group add developers
  midas group member add developers alice@midas.localhost`
}

// groupName is the argument of most of the commands.
type groupName struct {
	Group string `arg:"" help:"Display name or object id of the group."`
}

type groupAddCommand struct {
	administrator
	Name string `arg:"" help:"Display name."`
}

// Help is shown by midas group add --help.
func (groupAddCommand) Help() string {
	return `Example:

  midas group add developers`
}

// Run creates a group.
func (c *groupAddCommand) Run(ctx context.Context, to streams) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	made, err := admin.AddGroup(ctx, c.Name)
	if err != nil {
		return err
	}
	return printJSON(to, made)
}

type groupListCommand struct{ administrator }

// Help is shown by midas group list --help.
func (groupListCommand) Help() string {
	return `Prints object ids and display names.

Example:

  midas group list`
}

// Run lists the groups.
func (c *groupListCommand) Run(ctx context.Context, to streams) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	all, err := admin.Groups(ctx)
	if err != nil {
		return err
	}
	return table(to, all, func(g client.Group) []string { return []string{g.ID, g.DisplayName} })
}

type groupDeleteCommand struct {
	administrator
	groupName
}

// Help is shown by midas group delete --help.
func (groupDeleteCommand) Help() string {
	return `Example:

  midas group delete developers`
}

// Run deletes a group.
func (c *groupDeleteCommand) Run(ctx context.Context) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	return admin.DeleteGroup(ctx, c.Group)
}

type memberCommand struct {
	Add    memberAddCommand    `cmd:"" help:"Add a member to a group."`
	Remove memberRemoveCommand `cmd:"" help:"Remove a member from a group."`
	List   memberListCommand   `cmd:"" help:"List the members of a group."`
}

// Help is shown by midas group member --help.
func (memberCommand) Help() string {
	return `Example:

  midas group member list developers`
}

// memberName is the argument that names a member.
type memberName struct {
	Member string `arg:"" help:"User principal name, object id, client id, or display name of a group or service principal."`
}

type memberAddCommand struct {
	administrator
	groupName
	memberName
}

// Help is shown by midas group member add --help.
func (memberAddCommand) Help() string {
	return `Example:

  midas group member add developers alice@midas.localhost`
}

// Run adds a member.
func (c *memberAddCommand) Run(ctx context.Context) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	return admin.AddMember(ctx, c.Group, c.Member)
}

type memberRemoveCommand struct {
	administrator
	groupName
	memberName
}

// Help is shown by midas group member remove --help.
func (memberRemoveCommand) Help() string {
	return `Example:

  midas group member remove developers alice@midas.localhost`
}

// Run removes a member.
func (c *memberRemoveCommand) Run(ctx context.Context) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	return admin.RemoveMember(ctx, c.Group, c.Member)
}

type memberListCommand struct {
	administrator
	groupName
}

// Help is shown by midas group member list --help.
func (memberListCommand) Help() string {
	return `Prints object ids, types and display names, without the members of groups that are members.

Example:

  midas group member list developers`
}

// Run lists the members.
func (c *memberListCommand) Run(ctx context.Context, to streams) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	all, err := admin.Members(ctx, c.Group)
	if err != nil {
		return err
	}
	return table(to, all, func(o client.Object) []string { return []string{o.ID, o.Kind(), o.DisplayName} })
}
