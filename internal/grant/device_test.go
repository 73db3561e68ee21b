package grant_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/grant"
)

func TestDeviceCodeIsRedeemedOnceAfterApproval(t *testing.T) {
	f := newFixture(t)
	code, d, err := f.StartDevice(t.Context(), grant.Device{Tenant: tenant, ClientID: client, Scope: "openid"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.OpenDevice(t.Context(), code); !errors.Is(err, grant.ErrPending) || got.ID != d.ID {
		t.Errorf("before: %v, %v; want ErrPending", got, err)
	}
	typed := strings.ToLower(d.UserCode[:4] + " " + d.UserCode[4:6] + "-" + d.UserCode[6:])
	found, err := f.DeviceByUserCode(t.Context(), grant.UserCode(typed))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.RedeemDevice(t.Context(), d, true); !errors.Is(err, grant.ErrInvalid) {
		t.Errorf("redeemed before: %v, want ErrInvalid", err)
	}
	g := granted()
	if err := f.Decide(t.Context(), found, &g); err != nil {
		t.Fatal(err)
	}
	if err := f.Decide(t.Context(), found, nil); !errors.Is(err, grant.ErrInvalid) {
		t.Errorf("decided twice: %v, want ErrInvalid", err)
	}
	if _, err := f.DeviceByUserCode(t.Context(), d.UserCode); !errors.Is(err, grant.ErrInvalid) {
		t.Errorf("the code afterwards: %v, want ErrInvalid", err)
	}
	got, err := f.OpenDevice(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&g, got.Granted); diff != "" {
		t.Errorf("granted (-want +got):\n%s", diff)
	}
	refresh, err := f.RedeemDevice(t.Context(), got, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.OpenRefresh(t.Context(), refresh); err != nil {
		t.Error(err)
	}
	if _, err := f.OpenDevice(t.Context(), code); !errors.Is(err, grant.ErrInvalid) {
		t.Errorf("redeemed twice: %v, want ErrInvalid", err)
	}
}

func TestDeclinedDeviceCode(t *testing.T) {
	f := newFixture(t)
	code, d, err := f.StartDevice(t.Context(), grant.Device{ClientID: client})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Decide(t.Context(), d, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := f.OpenDevice(t.Context(), code); !errors.Is(err, grant.ErrDeclined) {
		t.Errorf("%v, want ErrDeclined", err)
	}
}

func TestDeviceCodeExpiresAfterItsLifetime(t *testing.T) {
	f := newFixture(t)
	code, d, err := f.StartDevice(t.Context(), grant.Device{ClientID: client})
	if err != nil {
		t.Fatal(err)
	}
	f.advance(grant.DeviceLifetime)
	if _, err := f.OpenDevice(t.Context(), code); !errors.Is(err, grant.ErrExpired) {
		t.Errorf("device code: %v, want ErrExpired", err)
	}
	if _, err := f.DeviceByUserCode(t.Context(), d.UserCode); !errors.Is(err, grant.ErrInvalid) {
		t.Errorf("user code: %v, want ErrInvalid", err)
	}
	g := granted()
	if err := f.Decide(t.Context(), d, &g); !errors.Is(err, grant.ErrInvalid) {
		t.Errorf("decision: %v, want ErrInvalid", err)
	}
}

func TestUserCodes(t *testing.T) {
	for typed, want := range map[string]string{
		"": "", "CDFGHJKL": "", "CDFGHJKLMM": "", "cdfghjklm": "CDFGHJKLM", " cdf-ghj klm ": "CDFGHJKLM",
		"../../../": "", "d//tenant/": "", "CDFGHJKL\u00cb": "", "CDFGHJKLA": "", "\uff23DFGHJKLM": "",
		"CDF\u2013GHJ\u2014KLM": "CDFGHJKLM", "\u200bcdf\u00a0ghj\u2009klm\ufeff": "CDFGHJKLM", "\u2068CDFGHJKLM\u2069.": "CDFGHJKLM",
		"Code: \u201cCDFGHJKLM\u201d. Try it.": "CDFGHJKLM", "try CDF GHJ KLM now": "", "code CDF - GHJ - KLM now": "CDFGHJKLM",
		"To sign in, use a web browser to open the page https://localhost:8443/common/oauth2/deviceauth and enter the code CDFGHJKLM to authenticate.": "CDFGHJKLM",
		"CDFGHJKLM or cdf-ghj-klm": "CDFGHJKLM", "CDFGHJKLM or CDFGHJKLN": "", "https://localhost:8443/common/oauth2/deviceauth?otc=CDFGHJKLM": "",
	} {
		if got := grant.UserCode(typed); got != want {
			t.Errorf("%q is %q, want %q", typed, got, want)
		}
	}
	f := newFixture(t)
	for _, code := range []string{"", "../../../", "d//tenant", "CDFGHJKLM"} {
		if _, err := f.DeviceByUserCode(t.Context(), code); !errors.Is(err, grant.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", code, err)
		}
	}
}
