package rbac

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/arm"
	"midas/internal/rbac/action"
)

// The limits of a custom role. Microsoft documents those of names, descriptions and roles; the others keep a role
// within one record of the store.
const (
	MaxCustomRoles   = 5000 // of a tenant
	maxRoleName      = 512  // characters
	maxRoleText      = 2048 // characters of a description
	maxRoleScopes    = 2000 // assignable scopes
	maxRoleActions   = 2000 // patterns of all permissions together
	maxRolePattern   = 512  // bytes of one pattern
	maxRolePermitted = 100  // permissions
)

const typeManagementGroup arm.Type = "Microsoft.Management/managementGroups"

func isManagementGroup(id arm.ID) bool { return id.Type().Is(typeManagementGroup) }

// checkDefinition checks what a custom role says, without the store, and returns its assignable scopes.
func checkDefinition(d Definition, known knownActions) ([]arm.ID, error) {
	switch name := strings.TrimSpace(d.RoleName); {
	case !arm.IsGUID(d.ID):
		return nil, errInvalidDefinitionID(d.ID)
	case d.Type != "" && !arm.SameName(d.Type, CustomRole):
		return nil, refusal(http.StatusBadRequest, "InvalidRoleDefinitionType", "The role definition type '%s' is not valid. It must be '%s'.", arm.Clip(d.Type), CustomRole)
	case name == "":
		return nil, refusal(http.StatusBadRequest, "RoleDefinitionNameNullOrEmpty", "The role definition name cannot be null or empty.")
	case utf8.RuneCountInString(d.RoleName) > maxRoleName || !utf8.ValidString(d.RoleName) || strings.ContainsFunc(d.RoleName, unicode.IsControl):
		return nil, refusal(http.StatusBadRequest, "InvalidRoleDefinitionName",
			"The role definition name '%s' is not valid. It must have at most %d characters, and no control characters.", arm.Clip(d.RoleName), maxRoleName)
	case utf8.RuneCountInString(d.Description) > maxRoleText:
		return nil, refusal(http.StatusBadRequest, "InvalidRoleDefinitionDescription", "The role definition's description is longer than %d characters.", maxRoleText)
	}
	if err := checkPermissions(d.Permissions, known); err != nil {
		return nil, err
	}
	return checkAssignableScopes(d)
}

// checkAssignableScopes returns the scopes of a custom role without duplicates.
func checkAssignableScopes(d Definition) (scopes []arm.ID, err error) {
	if len(d.AssignableScopes) == 0 {
		return nil, refusal(http.StatusBadRequest, "MissingAssignableScopes", "The role definition must have at least one assignable scope.")
	}
	if len(d.AssignableScopes) > maxRoleScopes {
		return nil, errAssignableScopes("A custom role can have at most %d assignable scopes.", maxRoleScopes)
	}
	groups := 0
	for i, text := range d.AssignableScopes {
		id, err := arm.ParseID(text)
		switch {
		case err != nil || text == "":
			return nil, arm.Errorf(http.StatusBadRequest, "LinkedInvalidPropertyId",
				"Property id '%s' at path 'properties.assignableScopes[%d]' is invalid. Expect fully qualified resource Id that start with '/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'.", arm.Clip(text), i)
		case id.IsRoot():
			return nil, errAssignableScopes("The root scope '/' cannot be an assignable scope of a custom role.")
		case isManagementGroup(id):
			groups++
		case !id.IsSubscription() && !id.IsResourceGroup():
			return nil, errAssignableScopes("The scope '%s' is neither a management group nor a subscription nor a resource group.", arm.Clip(text))
		}
		if !slices.ContainsFunc(scopes, func(other arm.ID) bool { return other.Key() == id.Key() }) {
			scopes = append(scopes, id)
		}
	}
	switch {
	case groups > 1:
		return nil, errAssignableScopes("A custom role can have only one management group as an assignable scope.")
	case groups > 0 && d.HasDataActions():
		return nil, errAssignableScopes("You cannot add data action permissions when you have a management group as an assignable scope")
	}
	return scopes, nil
}

// checkPermissions checks the patterns of a custom role.
func checkPermissions(permissions []Permission, known knownActions) error {
	total := 0
	for _, p := range permissions {
		for i, list := range [][]string{p.Actions, p.NotActions, p.DataActions, p.NotDataActions} {
			code := "InvalidActionOrNotAction"
			if i > 1 {
				code = "InvalidDataActionOrNotDataAction"
			}
			for _, pattern := range list {
				if err := checkRolePattern(code, pattern, known); err != nil {
					return err
				}
				if known.misplaced(pattern, i > 1) {
					return errUnknownAction(code, pattern)
				}
			}
			total += len(list)
		}
	}
	if total > maxRoleActions || len(permissions) > maxRolePermitted {
		return refusal(http.StatusBadRequest, "InvalidActionOrNotAction",
			"A custom role can have at most %d permissions and %d actions, notActions, dataActions and notDataActions together.", maxRolePermitted, maxRoleActions)
	}
	return nil
}

// checkRolePattern checks a pattern. Azure knows all operations of its providers and refuses a pattern that
// matches none. Midas does not know them, but all of them end in one of four words.
func checkRolePattern(code, pattern string, known knownActions) error {
	namespace, rest, several := strings.Cut(pattern, "/")
	last := arm.Fold(pattern[strings.LastIndexByte(pattern, '/')+1:])
	switch {
	case pattern == "*":
		return nil
	case len(pattern) > maxRolePattern || action.Check(pattern) != nil || !several && !strings.Contains(namespace, "*"):
	case !strings.Contains(namespace, "*") && !known.hasProvider(namespace):
		return refusal(http.StatusBadRequest, code, "The resource provider referenced in the action is not returned in the list of providers from Azure Resource Manager.")
	case strings.Contains(last, "*") || rest != "" && slices.Contains([]string{"read", "write", "delete", "action"}, last):
		return nil
	}
	return errUnknownAction(code, pattern)
}

// errUnknownAction is the error for an action that does not exist, or exists only on the other plane: Azure has
// one text for actions and data actions.
func errUnknownAction(code, pattern string) error {
	return refusal(http.StatusBadRequest, code, "'%s' does not match any of the actions supported by the providers.", arm.Clip(pattern))
}

func errAssignableScopes(format string, args ...any) error {
	return refusal(http.StatusBadRequest, "InvalidAssignableScope", format, args...)
}
