package witness_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"

	"midas"
	"midas/midastest"
)

// TestConcurrentWritesOfCredentials: the SDK reports the 409 of Azure in a laboratory that has it, and no error anywhere
// else. One write after the other is never refused.
func TestConcurrentWritesOfCredentials(t *testing.T) {
	for name, conflicts := range map[string]bool{"as Azure": true, "by default": false} {
		t.Run(name, func(t *testing.T) {
			w := watch(t, midastest.Start(t, midastest.Lab(), midastest.With(func(c *midas.Config) { c.LabWriteConflicts = conflicts })))
			w.group(t, "rg")
			w.identity(t, "rg", "app")
			client := w.msi(t).NewFederatedIdentityCredentialsClient()
			const writers = 8
			refusals := make([]error, writers)
			var all sync.WaitGroup
			for i := range writers {
				all.Go(func() {
					_, refusals[i] = client.CreateOrUpdate(t.Context(), "rg", "app", fmt.Sprint("ci-", i), federated(github, fmt.Sprint(i), tokenExchange), nil)
				})
			}
			all.Wait()
			refused := 0
			for _, err := range refusals {
				if err == nil {
					continue
				}
				refused++
				wantRefusal(t, err, http.StatusConflict, "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity")
				var answer *azcore.ResponseError
				if errors.As(err, &answer) && !strings.Contains(err.Error(), "Too many Federated Identity Credentials are written concurrently for the managed identity '/subscriptions/") {
					t.Error(err)
				}
			}
			if conflicts != (refused > 0) || refused == writers {
				t.Errorf("%d of %d writes are refused", refused, writers)
			}
			for i := range writers {
				_, err := client.CreateOrUpdate(t.Context(), "rg", "app", fmt.Sprint("ci-", i), federated(github, fmt.Sprint(i), tokenExchange), nil)
				check(t, err)
			}
			if list := pages(t, client.NewListPager("rg", "app", &armmsi.FederatedIdentityCredentialsClientListOptions{})); len(list[0].Value) != writers {
				t.Errorf("%d credentials", len(list[0].Value))
			}
		})
	}
}
