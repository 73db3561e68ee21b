package explain

import (
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/store"
)

// hints says what the asker may have meant, and where a request gets another answer than the verdict.
func (s *Service) hints(tx store.Tx, q *Question, access rbac.Access, a *Answer) (hints []string, err error) {
	audit, err := s.denyName(tx, access.Caller.TenantID, a.Explanation.Audit)
	if err != nil {
		return nil, err
	}
	if audit != "" {
		hints = append(hints, fmt.Sprintf("The deny assignment %s would deny the action, but its effect is Audit, so it denies nothing.", audit))
	}
	if q.Lists && !a.Allowed {
		shows, err := s.showsSome(tx, q, access)
		if err != nil {
			return nil, err
		}
		if shows {
			hints = append(hints, "A list at this scope is not refused all the same: it shows the entries that the principal may read, also by assignments below the scope.")
		}
	}
	gone, err := s.groupIsGone(tx, q)
	if err != nil {
		return nil, err
	}
	if gone {
		hints = append(hints, fmt.Sprintf("The resource group %s does not exist.", q.Scope.ResourceGroup()))
	}
	if !q.Data && slices.ContainsFunc(q.Operations, func(o string) bool { return arm.SameName(o, q.Action) }) {
		return hints, nil
	}
	known, err := s.RBAC.FindAction(tx, access.Action, q.Data, q.Operations)
	switch {
	case err != nil || known.Exact:
		return hints, err
	case known.OtherPlane && q.Data:
		hints = append(hints, fmt.Sprintf("%s is an action of the control plane, and the question was about a data action.", q.Action))
	case known.OtherPlane:
		hints = append(hints, fmt.Sprintf("%s is a data action, and the question was about an action of the control plane (use --data-action, or isDataAction).", q.Action))
	case known.Similar != "":
		hints = append(hints, fmt.Sprintf("No built-in role names the action %s. Did you mean %s?", q.Action, known.Similar))
	}
	return hints, nil
}

// showsSome reports whether a list answers a principal that has not the right to all its entries.
func (s *Service) showsSome(tx store.Tx, q *Question, access rbac.Access) (bool, error) {
	if q.Scope.IsResource() && arm.SameName(q.Scope.Type().Path(), "locations") {
		access.Scope = q.Scope.Base() // the list of a location shows the subscription's resources
	}
	extent, err := s.RBAC.Extent(tx, access)
	if err != nil || extent != rbac.Nowhere || !q.ListsAll {
		return extent == rbac.Somewhere, err
	}
	return s.RBAC.Visible(tx, access.Caller, access.Scope)
}

// groupIsGone reports whether the resource group of the scope does not exist, if the asker may know.
func (s *Service) groupIsGone(tx store.Tx, q *Question) (bool, error) {
	if q.Scope.ResourceGroup() == "" {
		return false, nil
	}
	group := q.Scope.GroupScope()
	may, err := s.RBAC.Authorize(tx, q.Asker, "microsoft.resources/subscriptions/resourcegroups/read", group)
	if err != nil || !may {
		return false, err
	}
	if _, err = s.Resources.Get(tx, group); arm.IsNotFound(err) {
		return true, nil
	}
	return false, err
}

// denyName names a deny assignment in sentences; empty if there is none.
func (s *Service) denyName(tx store.Tx, tenant string, ref rbac.Ref) (string, error) {
	if ref.Name == "" {
		return "", nil
	}
	d, err := s.RBAC.DenyAssignmentOf(tx, tenant, ref)
	return fmt.Sprintf("'%s' (%s) at %s", d.DisplayName, d.Name, d.Scope), err
}
