package rolelint

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/store"
)

// Bounds of one run.
const (
	maxFindings = 10_000
	maxKept     = 10_000    // assignments that give dangerous actions, and those of identities
	maxPairs    = 2_000_000 // comparisons of the two
)

// Service finds mistakes. All fields are required.
type Service struct {
	RBAC      *rbac.Service
	Directory *directory.Directory
}

// run is one examination of a store.
type run struct {
	*Service
	tx     store.Tx
	report func(Finding) error
	found  int
	pairs  int
	more   bool // a bound was reached

	holders    []held // with a dangerous action
	identities []held // whose principal is a managed identity
	roles      map[string]bool
}

// held is an assignment with its role. The resource is that of the managed identity, if the principal is one.
type held struct {
	rbac.Assignment
	role     rbac.Examined
	resource arm.ID
}

// Run calls report with each finding. It ends with the first error of report.
func (s *Service) Run(tx store.Tx, report func(Finding) error) error {
	r := &run{Service: s, tx: tx, report: report, roles: map[string]bool{}}
	for a, err := range s.RBAC.AllAssignments(tx) {
		if err == nil {
			err = r.assignment(a)
		}
		if err != nil {
			return fmt.Errorf("examine role assignments: %w", err)
		}
	}
	for _, identity := range r.identities {
		if err := r.waysToBecome(identity); err != nil {
			return fmt.Errorf("examine managed identities: %w", err)
		}
	}
	if r.more {
		return report(Finding{Warning, "incomplete", "/", "There are more assignments or findings than one run examines."})
	}
	return nil
}

// finds reports a finding about an assignment.
func (r *run) finds(severity Severity, rule string, a rbac.Assignment, format string, args ...any) error {
	if r.found++; r.found > maxFindings {
		r.more = true
		return nil
	}
	subject := a.Scope
	if subject == "/" {
		subject = ""
	}
	return r.report(Finding{severity, rule, subject + "/providers/Microsoft.Authorization/roleAssignments/" + a.Name, fmt.Sprintf(format, args...)})
}

// assignment examines one assignment, and keeps it if it matters for others.
func (r *run) assignment(a rbac.Assignment) error {
	gone, resource, err := r.principal(a)
	if err != nil {
		return err
	}
	if gone {
		return r.finds(Warning, "principal-gone", a, "The principal %s does not exist. The assignment grants nothing.", a.PrincipalID)
	}
	role, found, err := r.RBAC.Examine(r.tx, a)
	if err != nil {
		return err
	}
	if !found {
		return r.finds(Warning, "role-gone", a, "The role %s does not exist. The assignment grants nothing.", a.DefinitionID)
	}
	if err := errors.Join(r.condition(a), r.access(a, role)); err != nil {
		return err
	}
	h := held{a, role, resource}
	if isDangerous(role) {
		r.keep(&r.holders, h)
	}
	if !resource.IsRoot() {
		r.keep(&r.identities, h)
	}
	return nil
}

func (r *run) keep(list *[]held, h held) {
	if len(*list) == maxKept {
		r.more = true
		return
	}
	*list = append(*list, h)
}

// principal looks up whether the principal of an assignment is gone, and the resource if it is a managed identity.
func (r *run) principal(a rbac.Assignment) (gone bool, resource arm.ID, err error) {
	kind, err := r.Directory.ObjectType(r.tx, a.TenantID, a.PrincipalID)
	if errors.Is(err, directory.ErrNotFound) {
		return true, arm.ID{}, nil
	}
	if err != nil || kind != directory.ObjectServicePrincipal {
		return false, arm.ID{}, err
	}
	sp, err := r.Directory.ServicePrincipal(r.tx, a.TenantID, a.PrincipalID)
	if err != nil || sp.ResourceID == "" {
		return false, arm.ID{}, err
	}
	resource, err = arm.ParseID(sp.ResourceID)
	return false, resource, err
}
