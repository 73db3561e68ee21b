//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/google/go-cmp/cmp"
)

// programVariable makes this test binary a program of somebody else.
const programVariable = "MIDAS_E2E_PROGRAM"

func TestMain(m *testing.M) {
	if which := os.Getenv(programVariable); which != "" {
		program := goProgram
		if which == "workload" {
			program = workloadProgram
		}
		if err := program(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// goProgram is written for Azure: no cloud, no endpoint, no option is set. It prints the names of the
// identities that each of its credentials sees.
func goProgram(ctx context.Context) error {
	tenant, client, secret := os.Getenv("MIDAS_TENANT_ID"), os.Getenv("MIDAS_CLIENT_ID"), os.Getenv("MIDAS_CLIENT_SECRET")
	bySecret, err := azidentity.NewClientSecretCredential(tenant, client, secret, nil)
	if err != nil {
		return err
	}
	byCLI, err := azidentity.NewAzureCLICredential(nil)
	if err != nil {
		return err
	}
	byEnvironment, err := azidentity.NewDefaultAzureCredential(nil) // AZURE_… of the environment
	if err != nil {
		return err
	}
	seen := map[string][]string{}
	for name, credential := range map[string]azcore.TokenCredential{"secret": bySecret, "cli": byCLI, "default": byEnvironment} {
		identities, err := armmsi.NewUserAssignedIdentitiesClient(os.Getenv("MIDAS_SUBSCRIPTION_ID"), credential, nil)
		if err != nil {
			return err
		}
		for pages := identities.NewListBySubscriptionPager(nil); pages.More(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			for _, one := range page.Value {
				seen[name] = append(seen[name], *one.Name)
			}
		}
		_, err = identities.Get(ctx, "rg1", "nobody", nil)
		var refused *azcore.ResponseError
		if !errors.As(err, &refused) || refused.ErrorCode != "ResourceNotFound" {
			return fmt.Errorf("%s: an identity that is not there: %w", name, err)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(seen)
}

func TestGoLibrariesWorkUnchanged(t *testing.T) {
	w := world(t)
	w.signInBySecret(t, w.TenantID)
	w.az(t, "group", "create", "-n", "rg1", "-l", "eastus")
	w.az(t, "identity", "create", "-g", "rg1", "-n", "app")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, programVariable+"=go", "AZURE_TENANT_ID="+w.TenantID, "AZURE_CLIENT_ID="+w.ClientID, "AZURE_CLIENT_SECRET="+w.ClientSecret)
	cmd := w.command(ctx, program)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, &errs)
	}
	var seen map[string][]string
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"secret": {"app"}, "cli": {"app"}, "default": {"app"}}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("%s%s", diff, &errs)
	}
}
