package main

import "context"

type roleCommand struct {
	Assign roleAssignCommand `cmd:"" help:"Assign an Azure role at a scope."`
	Import roleImportCommand `cmd:"" help:"Bring Azure's newest built-in roles to the server."`
}

// Help is shown by midas role --help.
func (roleCommand) Help() string {
	return `Example:

  midas role assign --assignee alice@midas.localhost --role Reader`
}

type roleAssignCommand struct {
	administrator
	Assignee string `required:"" help:"User principal name, object id, client id, or display name of a group or service principal." placeholder:"WHO"`
	Role     string `required:"" help:"Name or id of the role." placeholder:"NAME"`
	Scope    string `help:"Id of a subscription, resource group or resource. Default: the subscription" placeholder:"ID"`
}

// Help is shown by midas role assign --help.
func (roleAssignCommand) Help() string {
	return `Prints the id of the assignment. For everything else about roles use Azure's own tools.

Examples:

  midas role assign --assignee alice@midas.localhost --role Reader
  midas role assign --assignee deployer --role "Managed Identity Contributor" --scope "/subscriptions/$MIDAS_SUBSCRIPTION_ID/resourceGroups/rg1"`
}

// Run assigns a role.
func (c *roleAssignCommand) Run(ctx context.Context, to streams) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	id, err := admin.AssignRole(ctx, c.Assignee, c.Role, c.Scope)
	if err != nil {
		return err
	}
	return print(to, id+"\n")
}
