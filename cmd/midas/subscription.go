package main

import (
	"context"

	"midas/internal/client"
)

type subscriptionCommand struct {
	Create subscriptionCreateCommand `cmd:"" help:"Create a subscription."`
	List   subscriptionListCommand   `cmd:"" help:"List the subscriptions that the administrator sees."`
	Rename subscriptionRenameCommand `cmd:"" help:"Change the display name of a subscription."`
	Cancel subscriptionCancelCommand `cmd:"" help:"Make a subscription read-only."`
	Enable subscriptionEnableCommand `cmd:"" help:"End the effect of cancel."`
}

// Help is shown by midas subscription --help.
func (subscriptionCommand) Help() string {
	return `Examples:

  midas subscription create Production --alias production
  midas subscription list`
}

// subscriptionID is the argument of most of the commands.
type subscriptionID struct {
	Subscription string `arg:"" help:"Id of the subscription." placeholder:"ID"`
}

type subscriptionCreateCommand struct {
	administrator
	Name            string `arg:"" help:"Display name."`
	Alias           string `help:"Name that makes the command repeatable: the same alias never makes a second subscription." placeholder:"NAME"`
	ManagementGroup string `help:"Management group of the subscription. Default: the default group of the tenant" placeholder:"NAME"`
	Owner           string `help:"Who becomes Owner. Default: the administrator" placeholder:"WHO"`
}

// Help is shown by midas subscription create --help.
func (subscriptionCreateCommand) Help() string {
	return `Prints the id of the subscription.

Example:

  midas subscription create Production --alias production`
}

// Run creates a subscription.
func (c *subscriptionCreateCommand) Run(ctx context.Context, to streams) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	id, err := admin.CreateSubscription(ctx, client.NewSubscription{Name: c.Name, Alias: c.Alias, Group: c.ManagementGroup, Owner: c.Owner})
	if err != nil {
		return err
	}
	return print(to, id+"\n")
}

type subscriptionListCommand struct{ administrator }

// Help is shown by midas subscription list --help.
func (subscriptionListCommand) Help() string {
	return `Prints ids, states and display names.

Example:

  midas subscription list`
}

// Run lists the subscriptions.
func (c *subscriptionListCommand) Run(ctx context.Context, to streams) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	all, err := admin.Subscriptions(ctx)
	if err != nil {
		return err
	}
	return table(to, all, func(s client.Subscription) []string { return []string{s.ID, s.State, s.Name} })
}

type subscriptionRenameCommand struct {
	administrator
	subscriptionID
	Name string `arg:"" help:"New display name."`
}

// Help is shown by midas subscription rename --help.
func (subscriptionRenameCommand) Help() string {
	return `Example:

  midas subscription rename "$MIDAS_SUBSCRIPTION_ID" Development`
}

// Run renames a subscription.
func (c *subscriptionRenameCommand) Run(ctx context.Context) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	return admin.RenameSubscription(ctx, c.Subscription, c.Name)
}

type subscriptionCancelCommand struct {
	administrator
	subscriptionID
}

// Help is shown by midas subscription cancel --help.
func (subscriptionCancelCommand) Help() string {
	return `Its resources stay, and its identities still get tokens. Writes are refused until it is enabled again.

Example:

  midas subscription cancel "$MIDAS_SUBSCRIPTION_ID"`
}

// Run cancels a subscription.
func (c *subscriptionCancelCommand) Run(ctx context.Context) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	return admin.CancelSubscription(ctx, c.Subscription)
}

type subscriptionEnableCommand struct {
	administrator
	subscriptionID
}

// Help is shown by midas subscription enable --help.
func (subscriptionEnableCommand) Help() string {
	return `Example:

  midas subscription enable "$MIDAS_SUBSCRIPTION_ID"`
}

// Run enables a subscription.
func (c *subscriptionEnableCommand) Run(ctx context.Context) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	return admin.EnableSubscription(ctx, c.Subscription)
}
