package azure_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/azure"
)

func TestAPIOfHost(t *testing.T) {
	for host, want := range map[string]azure.API{
		"management.azure.com": azure.Management, "management.azure.com:443": azure.Management, "Management.Azure.COM.": azure.Management,
		"login.microsoftonline.com": azure.Login, "login.windows.net:443": azure.Login, "sts.windows.net": azure.Login,
		"login.microsoft.com": azure.Login, "graph.microsoft.com": azure.Graph,
		"localhost:8443": azure.None, "[::1]:8443": azure.None, "": azure.None, "evil.management.azure.com": azure.None,
		"management.azure.com.evil.example": azure.None, "graph.windows.net": azure.None,
		"westus2.authorization.azure.net": azure.Authorization, "EastUS.Authorization.Azure.net:443": azure.Authorization,
		"authorization.azure.net": azure.None, ".authorization.azure.net": azure.None, "a.b.authorization.azure.net": azure.None,
		"*.authorization.azure.net": azure.None, "westus2.authorization.azure.net.evil.example": azure.None,
	} {
		if got := azure.APIOf(host); got != want {
			t.Errorf("%q: API %d, want %d", host, got, want)
		}
	}
}

func TestEveryHostHasAnAPI(t *testing.T) {
	hosts := azure.Hosts()
	for _, host := range hosts {
		if azure.APIOf(strings.Replace(host, "*", "westeurope", 1)) == azure.None {
			t.Errorf("%s has no API", host)
		}
	}
	if !slices.IsSorted(hosts) {
		t.Errorf("not sorted: %v", hosts)
	}
}

func TestName(t *testing.T) {
	for host, want := range map[string]string{
		"localhost:8443": "localhost", "[::1]:8443": "::1", "[::1]": "::1", "::1": "::1", "A.B.": "a.b", "127.0.0.1:1": "127.0.0.1", "": "",
	} {
		if got := azure.Name(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

func TestOriginsDependOnTheHost(t *testing.T) {
	own := "https://localhost:8443"
	for host, want := range map[string]azure.Origins{
		"localhost:8443": {Management: own, Login: own, Graph: own, Authorization: own, Challenge: own},
		"management.azure.com": {
			Management: "https://management.azure.com", Login: "https://login.microsoftonline.com",
			Graph: "https://graph.microsoft.com", Challenge: "https://login.windows.net",
			Authorization: "https://eastus.authorization.azure.net",
		},
		"westus2.authorization.azure.net": {
			Management: "https://management.azure.com", Login: "https://login.microsoftonline.com",
			Graph: "https://graph.microsoft.com", Challenge: "https://login.windows.net",
			Authorization: "https://westus2.authorization.azure.net",
		},
	} {
		if diff := cmp.Diff(want, azure.OriginsFor(host, own)); diff != "" {
			t.Errorf("%s: %s", host, diff)
		}
	}
}

// TestAPIOfAllocatesNothing: APIOf runs for every request.
func TestAPIOfAllocatesNothing(t *testing.T) {
	for _, host := range []string{"localhost:8443", "management.azure.com", "[::1]:8443", "westus2.authorization.azure.net"} {
		if n := testing.AllocsPerRun(100, func() { _ = azure.APIOf(host) }); n > 0 {
			t.Errorf("%s: %v allocations", host, n)
		}
	}
}
