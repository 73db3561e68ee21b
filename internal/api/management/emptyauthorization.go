package management

import (
	"context"
	"net/http"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/odata"
	"midas/internal/rbac"
	"midas/internal/store"
)

// emptyType is a type of Microsoft.Authorization of which Midas never has an instance: clients that list it
// get an empty list. Azure requires the right to read the type at the scope, and so does Midas.
type emptyType struct {
	word     string // the last word of the type
	singular string // in the error for an instance
	at       arm.Level
	versions []arm.Version
	// listed is true if the type has no instances with a path of their own.
	listed bool
	// own is true if $filter=asTarget() lists the caller's own instances, which needs no right.
	own bool
}

// emptyTypes returns the types. Source: Microsoft's OpenAPI files of these versions.
func emptyTypes() []emptyType {
	privileged := []arm.Version{"2020-10-01-preview", "2020-10-01", "2022-04-01-preview", "2024-02-01-preview", "2024-09-01-preview"}
	return []emptyType{
		{word: "classicAdministrators", listed: true, at: arm.AtSubscription, versions: []arm.Version{"2014-07-01-preview", "2014-10-01-preview", "2015-05-01-preview", "2015-06-01", "2015-07-01"}},
		{word: "roleEligibilitySchedules", singular: "RoleEligibilitySchedule", at: arm.AnyLevel, versions: privileged, own: true},
		{word: "roleEligibilityScheduleInstances", singular: "RoleEligibilityScheduleInstance", at: arm.AnyLevel, versions: privileged, own: true},
		{word: "roleEligibilityScheduleRequests", singular: "RoleEligibilityScheduleRequest", at: arm.AnyLevel, versions: privileged, own: true},
		{word: "roleAssignmentSchedules", singular: "RoleAssignmentSchedule", at: arm.AnyLevel, versions: privileged, own: true},
		{word: "roleAssignmentScheduleInstances", singular: "RoleAssignmentScheduleInstance", at: arm.AnyLevel, versions: privileged, own: true},
		{word: "roleAssignmentScheduleRequests", singular: "RoleAssignmentScheduleRequest", at: arm.AnyLevel, versions: privileged, own: true},
		{word: "roleManagementPolicies", singular: "RoleManagementPolicy", at: arm.AnyLevel, versions: privileged},
		{word: "roleManagementPolicyAssignments", singular: "RoleManagementPolicyAssignment", at: arm.AnyLevel, versions: privileged},
	}
}

// emptyAuthorizationOperations returns the operations on these types.
func (h *Handler) emptyAuthorizationOperations() []Operation {
	var rows []Operation
	for _, e := range emptyTypes() {
		typ := arm.Type("Microsoft.Authorization/" + e.word)
		list := Operation{Method: http.MethodGet, Type: typ, Target: arm.Collection, At: e.at, Perform: string(typ) + "/read", Versions: e.versions, Serve: h.listNothing}
		if e.own {
			list.Own = asksForOwn
		}
		rows = append(rows, list)
		if !e.listed {
			rows = append(rows, Operation{
				Method: http.MethodGet, Type: typ, Target: arm.Instance, At: e.at, Perform: string(typ) + "/read",
				Versions: e.versions, Serve: findNothing(e.singular),
			})
		}
	}
	return rows
}

// asksForOwn reports whether a request lists only the caller's own instances.
func asksForOwn(_ store.Tx, r *Request) (bool, error) {
	terms, err := odata.Parse(r.Query.Get("$filter"))
	return err == nil && len(terms) == 1 && terms[0].Op == odata.Call && arm.SameName(terms[0].Name, "asTarget") && terms[0].Value == "", nil
}

// listNothing returns an empty list. Every filter that can be parsed selects nothing. A caller who asks for its
// own instances may have no right at the scope, and must not learn whether the scope exists.
func (h *Handler) listNothing(ctx context.Context, r *Request) (*Response, error) {
	filter := r.Query.Get("$filter")
	if _, err := odata.Parse(filter); err != nil {
		return nil, rbac.ErrFilter(filter)
	}
	own, err := asksForOwn(nil, r)
	if err != nil {
		return nil, err
	}
	if !own {
		if err := h.scopeExists(ctx, r.Caller.TenantID, r.ID()); err != nil {
			return nil, err
		}
	}
	return ok(wire.List[struct{}]{Value: []struct{}{}})
}

// findNothing returns a function that answers 404 for an instance.
func findNothing(singular string) func(context.Context, *Request) (*Response, error) {
	return func(_ context.Context, r *Request) (*Response, error) {
		return nil, rbac.ErrInstanceNotFound(singular, r.ID().Name())
	}
}
