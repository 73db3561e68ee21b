package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"midas/internal/arm"
)

// parse parses the ids of a change. As in Azure, a text that is not an id and an id that is not that of a
// user-assigned identity have different errors.
func (a IdentityChange) parse(c target) (assign, remove []arm.ID, err error) {
	if len(a.Assign) > 0 && !a.user() {
		return nil, nil, errOperation(c, "The request format was unexpected, a non-UserAssigned identity type should not contain: userAssignedIdentities")
	}
	var wrong []string
	seen := map[string]bool{}
	read := func(texts []string) (ids []arm.ID, err error) {
		for _, text := range texts {
			id, err := a.parseID(text)
			if err != nil {
				return nil, err
			}
			if !id.Type().Is(Type) || !id.Parent().IsResourceGroup() {
				wrong = append(wrong, text)
			}
			if seen[id.Key()] {
				return nil, arm.ErrInvalidContent("The identity '%s' is named more than once. Path 'identity.userAssignedIdentities'", clip(text))
			}
			seen[id.Key()] = true
			ids = append(ids, id)
		}
		return ids, nil
	}
	if assign, err = read(a.Assign); err != nil {
		return nil, nil, err
	}
	if remove, err = read(a.Remove); err != nil {
		return nil, nil, err
	}
	if len(wrong) > 0 {
		return nil, nil, a.errWrong(wrong)
	}
	if len(assign) > MaxAssigned || len(remove) > MaxAssigned {
		return nil, nil, errTooMany(c)
	}
	return assign, remove, nil
}

func (a IdentityChange) parseID(text string) (arm.ID, error) {
	id, err := arm.ParseID(text)
	rooted := strings.HasPrefix(arm.Fold(text), "/subscriptions/") || strings.HasPrefix(arm.Fold(text), "/providers/")
	switch {
	case err == nil && rooted:
		return id, nil
	case a.List:
		return arm.ID{}, a.errWrong([]string{text})
	}
	return arm.ID{}, arm.Errorf(http.StatusBadRequest, "LinkedInvalidPropertyId",
		"Property id '%s' at path 'identity.userAssignedIdentities' is invalid. Expect fully qualified resource Id that start with '/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'.", clip(text))
}

func (a IdentityChange) errWrong(ids []string) *arm.Error {
	if a.List {
		err := arm.Errorf(http.StatusBadRequest, "InvalidParameter",
			"ResourceIdentity identityId '%s' is not a valid reference to a Microsoft.ManagedIdentity identity.", clip(ids[0]))
		err.Target = "resourceIdentity.identityIds"
		return err
	}
	return arm.Errorf(http.StatusBadRequest, "InvalidIdentityId",
		"The identity ids '%s' are invalid. It must be of the following format: '/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}'.",
		clip(strings.Join(ids, ",")))
}

// missing refuses identities that do not exist. The error for an identity of another tenant is the same,
// so that a caller cannot find out whether it exists.
func missing(c target, assign []arm.ID, named map[string]*Identity) error {
	for _, id := range assign {
		if found := named[id.Key()]; found == nil || found.TenantID != c.rec.TenantID {
			return errOperation(c, fmt.Sprintf("Resource '%s' was not found.", wireSpelling(id)))
		}
	}
	return nil
}

// checkAssignable applies the isolation scope and the assignment restrictions of the identities.
func checkAssignable(c target, fresh []arm.ID, named map[string]*Identity) error {
	if err := missing(c, fresh, named); err != nil {
		return err
	}
	for _, id := range fresh {
		found := named[id.Key()]
		if found.Isolation == "Regional" && found.Location != c.rec.Location {
			return errOperation(c, fmt.Sprintf("The isolation scope of '%s' is Regional: it can be assigned only to resources in location '%s'.",
				wireSpelling(id), found.Location))
		}
		if !found.Restrictions.allows(c.id.Type()) {
			return errOperation(c, fmt.Sprintf("The assignment restrictions of '%s' do not allow resources of type '%s'.", wireSpelling(id), c.rec.Type))
		}
	}
	return nil
}

// allows reports whether the restrictions allow a resource type. They name providers or types; a type
// includes the types nested in it.
func (r *Restrictions) allows(typ arm.Type) bool {
	if r == nil || len(r.Providers) == 0 {
		return true
	}
	for _, provider := range r.Providers {
		if rest, below := strings.CutPrefix(typ.Key(), arm.Fold(provider)); below && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// checkIdentity refuses the type UserAssigned without an identity, and too many identities. ARM itself refuses a
// request that names no identity; a request that removes the last one fails in Microsoft.ManagedIdentity.
func checkIdentity(c target, a IdentityChange, is ManagedServiceIdentity) error {
	switch {
	case a.user() && len(is.references) == 0 && len(a.Remove) == 0:
		return arm.Errorf(http.StatusBadRequest, "MissingIdentityIds", "The identity ids must not be null or empty for '%s' identity type.", a.Type)
	case a.user() && len(is.references) == 0:
		return errOperation(c, "The request format was unexpected, a UserAssigned identity type should contain: userAssignedIdentities")
	case len(is.references) > MaxAssigned:
		return errTooMany(c)
	}
	return nil
}

func errTooMany(c target) *arm.Error {
	return errOperation(c, fmt.Sprintf("The number of user assigned identities of one resource cannot exceed %d.", MaxAssigned))
}

// errOperation wraps an error of Microsoft.ManagedIdentity as ARM does when another resource provider
// assigns an identity.
func errOperation(c target, message string) *arm.Error {
	var inner bytes.Buffer
	encoder := json.NewEncoder(&inner)
	encoder.SetEscapeHTML(false)
	// A map of strings always encodes.
	_ = encoder.Encode(map[string]any{"error": struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{"BadRequest", message}})
	return arm.Errorf(http.StatusBadRequest, "FailedIdentityOperation",
		"Identity operation for resource '%s' failed with error 'Failed to perform resource identity operation. Status: 'BadRequest'. Response: '%s'.'.",
		c.rec.ID, strings.TrimSpace(inner.String()))
}

// wireSpelling is the id of an identity as Microsoft.ManagedIdentity writes it, whatever the spelling of the
// request.
func wireSpelling(id arm.ID) string {
	return strings.Replace(id.Spell(Type), "/resourceGroups/", "/resourcegroups/", 1)
}

// clip shortens a text of the request before it is put into an error message.
func clip(s string) string {
	const most = 2048
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
