package main

import (
	"encoding/json"
	"fmt"

	"midas/internal/client"
)

type cloudCommand struct {
	Show     cloudShowCommand     `cmd:"" help:"Print the cloud as az cloud register --cloud-config takes it."`
	Register cloudRegisterCommand `cmd:"" help:"Print the lines that make Azure CLI use the cloud."`
}

// Help is shown by midas cloud --help.
func (cloudCommand) Help() string {
	return `Makes Midas a cloud of Azure CLI, beside Azure itself. "midas exec" does not need it.

Examples:

  eval "$(midas cloud register --adfs)"
  az cloud register --name Midas --cloud-config "$(midas cloud show)"`
}

// cloudFlags are the flags of both commands.
type cloudFlags struct {
	dataFlag
	ADFS bool `name:"adfs" help:"Describe the sign-in service as ADFS. Azure CLI before about 2.50 needs it: it validates any other service at Microsoft."`
}

type cloudShowCommand struct{ cloudFlags }

// Help is shown by midas cloud show --help.
func (cloudShowCommand) Help() string {
	return `Example:

  az cloud register --name Midas --cloud-config "$(midas cloud show)"`
}

// Run prints the configuration.
func (c *cloudShowCommand) Run(to streams) error {
	config, _, err := c.config()
	if err != nil {
		return err
	}
	return print(to, config+"\n")
}

type cloudRegisterCommand struct {
	cloudFlags
	Name string `help:"Name of the cloud in Azure CLI. Default: Midas" default:"Midas"`
}

// Help is shown by midas cloud register --help.
func (cloudRegisterCommand) Help() string {
	return `Prints lines for a POSIX shell and runs nothing. The last line makes Azure CLI trust only the server's authority in that shell.

Examples:

  eval "$(midas cloud register --adfs)"
  az login --service-principal -u "$MIDAS_CLIENT_ID" -p "$MIDAS_CLIENT_SECRET" --tenant "$MIDAS_TENANT_ID"

Back to Azure:

  az cloud set --name AzureCloud; unset REQUESTS_CA_BUNDLE`
}

// Run prints the lines.
func (c *cloudRegisterCommand) Run(to streams) error {
	config, admin, err := c.config()
	if err != nil {
		return err
	}
	name := quote(c.Name)
	lines := fmt.Sprintf("if az cloud show --name %[1]s >/dev/null 2>&1; then az cloud update --name %[1]s --cloud-config %[2]s; else az cloud register --name %[1]s --cloud-config %[2]s; fi\n",
		name, quote(config))
	lines += "az cloud set --name " + name + "\n"
	if !c.ADFS {
		lines += "az config set core.instance_discovery=false --only-show-errors\n"
	}
	return print(to, lines+"export REQUESTS_CA_BUNDLE="+quote(admin.CAFile)+"\n")
}

// cloudConfig is the form of az cloud register --cloud-config.
type cloudConfig struct {
	Endpoints map[string]string `json:"endpoints"`
	Suffixes  map[string]string `json:"suffixes"`
	Profile   string            `json:"profile"`
}

// config is the cloud in JSON.
func (c *cloudFlags) config() (string, *client.Client, error) {
	admin, err := client.Open(c.Data)
	if err != nil {
		return "", nil, err
	}
	signIn := admin.Endpoint
	if c.ADFS {
		signIn += "/adfs"
	}
	at := admin.Endpoint + "/"
	config, err := json.Marshal(cloudConfig{
		Endpoints: map[string]string{
			"resourceManager": at, "activeDirectory": signIn, "microsoftGraphResourceId": at,
			"activeDirectoryGraphResourceId": at, "gallery": at, "management": "https://management.core.windows.net/",
			"activeDirectoryResourceId": "https://management.core.windows.net/",
		},
		Suffixes: map[string]string{"storageEndpoint": "core.windows.net", "keyvaultDns": ".vault.azure.net"},
		Profile:  "latest",
	})
	if err != nil {
		return "", nil, fmt.Errorf("encode the cloud: %w", err)
	}
	return string(config), admin, nil
}
