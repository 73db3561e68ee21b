package rolelint

import (
	"errors"
	"fmt"
	"strings"

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
	maxUsers    = 1_000     // resources that use an identity
	maxRoles    = 100_000   // custom roles
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

	holders    []held          // with a dangerous action
	identities []held          // whose principal is a managed identity
	roles      map[string]bool // by tenant and role: the custom roles that somebody has
}

// held is an assignment with its role. If the principal is a managed identity, or a group with one, identity is
// the object id of the managed identity and resource is the id of its resource.
type held struct {
	rbac.Assignment
	role     rbac.Examined
	identity string
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
	if err := r.unusedRoles(); err != nil {
		return fmt.Errorf("examine roles: %w", err)
	}
	if r.more {
		return report(Finding{Warning, "incomplete", "/", "There are more assignments or findings than one run examines."})
	}
	return nil
}

// finds reports a finding about an assignment.
func (r *run) finds(severity Severity, rule string, a rbac.Assignment, format string, args ...any) error {
	return r.reports(Finding{severity, rule, strings.TrimSuffix(a.Scope, "/") + "/providers/Microsoft.Authorization/roleAssignments/" + a.Name, fmt.Sprintf(format, args...)})
}

func (r *run) reports(f Finding) error {
	if r.found++; r.found > maxFindings {
		r.more = true
		return nil
	}
	return r.report(f)
}

// assignment examines one assignment, and keeps it if it matters for others.
func (r *run) assignment(a rbac.Assignment) error {
	kind, err := r.Directory.ObjectType(r.tx, a.TenantID, a.PrincipalID)
	if errors.Is(err, directory.ErrNotFound) {
		return r.finds(Warning, "principal-gone", a, "The principal %s does not exist. The assignment grants nothing.", a.PrincipalID)
	}
	if err != nil {
		return err
	}
	role, found, err := r.RBAC.Examine(r.tx, a)
	if err != nil {
		return err
	}
	if !found {
		return r.finds(Warning, "role-gone", a, "The role %s does not exist. The assignment grants nothing.", a.DefinitionID)
	}
	access := r.access(a, role)
	r.uses(a, role)
	if err := errors.Join(r.condition(a), access); err != nil {
		return err
	}
	if isDangerous(role) {
		r.keep(&r.holders, held{Assignment: a, role: role})
	}
	return r.keepIdentities(held{Assignment: a, role: role}, kind)
}

// keepIdentities keeps an assignment once for each managed identity that has it, directly or as a member of a group.
func (r *run) keepIdentities(h held, kind string) error {
	principals := []string{h.PrincipalID}
	if kind == directory.ObjectGroup {
		members, err := r.Directory.TransitiveMembers(r.tx, h.TenantID, h.PrincipalID)
		if err != nil {
			return err
		}
		principals = members
	}
	for _, id := range principals {
		sp, err := r.Directory.ServicePrincipal(r.tx, h.TenantID, id)
		if errors.Is(err, directory.ErrNotFound) || err == nil && sp.ResourceID == "" {
			continue
		}
		if err != nil {
			return err
		}
		if h.resource, err = arm.ParseID(sp.ResourceID); err != nil {
			return err
		}
		h.identity = id
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
