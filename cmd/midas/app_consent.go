package main

import (
	"context"

	"midas/internal/client"
)

// graphAPI is Microsoft Graph. An application needs permissions for it to sign users in.
const graphAPI = "https://graph.microsoft.com"

type appConsentCommand struct {
	administrator
	appName
	API   string   `help:"Identifier URI or client id of the API. Default: ${default}" default:"https://graph.microsoft.com" placeholder:"URI"`
	Scope []string `help:"Delegated permission; repeatable. Default: for Graph, the permissions that a sign-in needs; for other APIs, user_impersonation" placeholder:"NAME"`
	User  string   `help:"User for whom to consent. Default: all users of the tenant" placeholder:"NAME"`
}

// Help is shown by midas app consent --help.
func (appConsentCommand) Help() string {
	return `Consents as an administrator, so that users are not asked for consent on a page. To revoke the consent, delete the oauth2PermissionGrant whose id is printed.

Examples:

  midas app consent portal
  midas app consent portal --api https://management.azure.com
  midas app consent portal --api api://orders --scope Orders.Read --user ada@contoso.example`
}

// Run records an administrator's consent.
func (c *appConsentCommand) Run(ctx context.Context, to streams) error {
	admin, err := c.open()
	if err != nil {
		return err
	}
	scopes := c.Scope
	switch {
	case len(scopes) > 0:
	case c.API == graphAPI:
		scopes = []string{"openid", "profile", "email", "offline_access", "User.Read"}
	default:
		scopes = []string{"user_impersonation"}
	}
	granted, err := admin.Consent(ctx, client.NewConsent{App: c.App, API: c.API, Scopes: scopes, User: c.User})
	if err != nil {
		return err
	}
	return printJSON(to, granted)
}
