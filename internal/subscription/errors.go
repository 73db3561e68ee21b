package subscription

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/arm"
	"midas/internal/hierarchy"
	"midas/internal/resource"
)

// Maximum lengths, in characters.
const (
	maxAlias = 63
	maxName  = 64
	maxScope = 1024
)

// ErrReadOnly is Resource Manager's 409 for a write in a cancelled subscription.
func ErrReadOnly(id string) *arm.Error {
	return arm.Errorf(http.StatusConflict, "ReadOnlyDisabledSubscription",
		"The subscription '%s' is disabled and therefore marked as read only. You cannot perform any write actions on this subscription until it is re-enabled.", id)
}

func refusal(status int, code, format string, args ...any) *arm.Error {
	err := arm.Errorf(status, code, format, args...)
	err.Backend = true
	return err
}

func errAliasNotFound(name string) *arm.Error {
	return refusal(http.StatusNotFound, "AliasNotFound", "The alias '%s' was not found.", arm.Clip(name))
}

func errTooMany(what string, limit int) *arm.Error {
	return refusal(http.StatusBadRequest, "SubscriptionLimitExceeded", "The tenant has %d %s, which is the limit.", limit, what)
}

func errHasResources(id string) *arm.Error {
	return refusal(http.StatusBadRequest, "SubscriptionHasResources",
		"The subscription '%s' contains resource groups. Delete them first, or set IgnoreResourceCheck=true.", id)
}

func errInvalidProperty(name, value string) *arm.Error {
	err := refusal(http.StatusBadRequest, "InvalidRequest", "The value '%s' of the property '%s' is not valid.", arm.Clip(value), name)
	err.Target = name
	return err
}

// ErrOtherTenant is the 400 for a subscription that is wanted in another tenant than the caller's.
func ErrOtherTenant(tenant string) *arm.Error {
	return refusal(http.StatusBadRequest, "SubscriptionTenantNotSupported",
		"A subscription can be created in the tenant of the caller only, and not in the tenant '%s'.", arm.Clip(tenant))
}

// ErrOwnerNotFound is the 400 for an owner who is not in the tenant.
func ErrOwnerNotFound(id string) *arm.Error {
	return refusal(http.StatusBadRequest, "SubscriptionOwnerNotFound", "The tenant has no principal '%s'.", arm.Clip(id))
}

// check checks what the client has sent.
func (w Wanted) check() error {
	a := w.Alias
	switch {
	case !isAliasName(a.Name):
		return refusal(http.StatusBadRequest, "InvalidAliasName",
			"The alias '%s' is not valid. It has 1 to %d letters, digits, '-', '_' and '.'.", arm.Clip(a.Name), maxAlias)
	case w.Existing && !arm.IsGUID(a.SubscriptionID):
		return errInvalidProperty("subscriptionId", a.SubscriptionID)
	case a.Workload != "Production" && a.Workload != "DevTest" && !(w.Existing && a.Workload == ""):
		return errInvalidProperty("workload", a.Workload)
	case len(a.BillingScope) > maxScope:
		return errInvalidProperty("billingScope", a.BillingScope)
	case len(a.ResellerID) > maxScope:
		return errInvalidProperty("resellerId", a.ResellerID)
	case a.Group != "" && hierarchy.CheckName(a.Group) != nil:
		return errInvalidProperty("managementGroupId", a.Group)
	}
	if !w.Existing {
		if err := checkName("displayName", a.DisplayName); err != nil {
			return err
		}
	}
	return resource.CheckTags(a.Tags)
}

func isAliasName(name string) bool {
	return name != "" && len(name) <= maxAlias && !strings.ContainsFunc(name, func(c rune) bool {
		return !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.ContainsRune("-_.", c))
	})
}

func checkName(property, name string) error {
	n := utf8.RuneCountInString(name)
	if !utf8.ValidString(name) || n == 0 || n > maxName || strings.ContainsFunc(name, func(c rune) bool { return unicode.IsControl(c) || c == '<' || c == '>' }) {
		return errInvalidProperty(property, name)
	}
	return nil
}
