package login

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"midas/internal/api/httpx"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/throttle"
)

// realmAnswer says how a user signs in.
type realmAnswer struct {
	Version  string `json:"ver"`
	Account  string `json:"account_type"`
	Domain   string `json:"domain_name,omitempty"`
	Cloud    string `json:"cloud_instance_name"`
	Audience string `json:"cloud_audience_urn"`
}

// userRealm answers whether this server checks a user's password (Managed). It does so for all names in
// the domain of a tenant, whether or not the user exists.
func (h *discovery) userRealm(x *request) error {
	if x.r.URL.Query().Get("api-version") == "" {
		return errMissingField("api-version")
	}
	_, last, _ := strings.Cut(strings.TrimPrefix(x.r.URL.EscapedPath(), "/"), "/")
	_, last, _ = strings.Cut(last, "/")
	name, err := url.PathUnescape(last)
	if err != nil {
		return errMalformedBy(err)
	}
	answer := realmAnswer{Version: "1.0", Account: "Unknown", Cloud: "microsoftonline.com", Audience: "urn:federation:MicrosoftOnline"}
	if !x.azure {
		answer.Cloud = azure.Name(strings.TrimPrefix(x.origin, "https://"))
	}
	if _, domain, found := strings.Cut(name, "@"); found && len(name) <= throttle.MaxName {
		switch managed, err := h.managed(x, name, domain); {
		case err != nil:
			return err
		case managed:
			answer.Account, answer.Domain = "Managed", domain
		}
	}
	private.Set(x.w.Header())
	return httpx.WriteJSON(x.w, http.StatusOK, answer)
}

// managed reports whether a domain belongs to a tenant, or the name to a user of the home tenant, whose
// users may have any domain.
func (h *discovery) managed(x *request, name, domain string) (bool, error) {
	_, err := h.Directory.FindTenant(x.r.Context(), domain)
	if errors.Is(err, directory.ErrNotFound) {
		err = h.Directory.Store.View(x.r.Context(), func(tx store.Tx) error {
			_, err := h.Directory.UserByName(tx, h.HomeTenant, name)
			return err
		})
	}
	if errors.Is(err, directory.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
