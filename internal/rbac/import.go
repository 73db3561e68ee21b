package rbac

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"midas/internal/rbac/action"
	"midas/internal/store"
)

// ImportReport tells what an import has done with the roles of a file. The lists have the names of roles.
type ImportReport struct {
	Added     int      `json:"added"`
	Changed   int      `json:"changed"`
	Unchanged int      `json:"unchanged"`
	Fixed     []string `json:"fixed,omitempty"`    // differ, but an import does not change them
	Older     []string `json:"older,omitempty"`    // the server has a version that is as new or newer
	Custom    []string `json:"custom,omitempty"`   // custom roles, which belong to a tenant
	Unusable  []string `json:"unusable,omitempty"` // an action cannot be understood
}

// ErrDefinitionFile is the error for a file that is not a list of roles. Nothing has been changed.
var ErrDefinitionFile = errors.New("the file is not a list of role definitions")

// maxImported is the maximum size of the imported roles in the store, compressed, in bytes. It keeps their record
// within store.MaxValue.
const maxImported = 700 << 10

// precision is that of the dates which az prints; ARM's have one digit more.
const precision = time.Microsecond

// isFixed reports whether an import never changes a role. Everybody's rights rest on these four roles, and the
// server itself relies on Owner.
func isFixed(guid string) bool {
	return slices.Contains([]string{
		OwnerID,
		"b24988ac-6180-42a0-ab88-20f7382dd24c", // Contributor
		"acdd72a7-3385-48ef-bd42-f606fba81ae7", // Reader
		"18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", // User Access Administrator
	}, guid)
}

// ImportDefinitions reads a file of roles, as "az role definition list" or ARM returns it, and stores its built-in
// roles for all tenants: all of them in one transaction, or none. They replace the built-in roles that the server
// has, unless these are of a later date, and the next request is decided by them. Roles that are not in the file
// stay. An ErrDefinitionFile is an error of the file.
func (s *Service) ImportDefinitions(ctx context.Context, file io.Reader) (report ImportReport, err error) {
	content, err := io.ReadAll(io.LimitReader(file, MaxDefinitionFile+1))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return ImportReport{}, fmt.Errorf("%w: %w", ErrDefinitionFile, errTooLarge())
	}
	if err != nil {
		return ImportReport{}, fmt.Errorf("read the file of roles: %w", err)
	}
	given, err := parseDefinitions(content)
	if err != nil {
		return ImportReport{}, fmt.Errorf("%w: %w", ErrDefinitionFile, err)
	}
	_, err = s.Store.Update(ctx, func(tx store.Tx) error {
		var err error
		report, err = s.importRoles(tx, given)
		return err
	})
	return report, err
}

func (s *Service) importRoles(tx store.Tx, given []Definition) (report ImportReport, err error) {
	library, err := s.library(tx)
	if err != nil {
		return report, err
	}
	kept, err := library.own()
	if err != nil {
		return report, err
	}
	for _, d := range given {
		old, err := library.role(d.ID)
		if err != nil {
			return report, err
		}
		_, imported := kept[d.ID]
		if report.takes(d, old, imported) {
			kept[d.ID] = s.completed(d, old)
		}
	}
	if report.Added+report.Changed == 0 {
		return report, nil
	}
	return report, storeImported(tx, kept)
}

// completed fills in what a file of an old az does not have. The role in the server is old, or nil.
func (s *Service) completed(d Definition, old *role) Definition {
	if len(d.AssignableScopes) == 0 {
		d.AssignableScopes = []string{"/"}
	}
	if d.UpdatedOn.IsZero() {
		d.UpdatedOn = s.Now().UTC()
		if old != nil {
			d.UpdatedOn = old.UpdatedOn
		}
	}
	if d.CreatedOn.IsZero() {
		d.CreatedOn = d.UpdatedOn
		if old != nil {
			d.CreatedOn = old.CreatedOn
		}
	}
	return d
}

// takes reports whether the role d of a file is stored, and counts it. The role in the server is old, or nil;
// imported tells that it comes from an earlier file. A role that is part of Midas is replaced only by a later one:
// its text has been brought up to date where Azure has changed a role without a new date.
func (r *ImportReport) takes(d Definition, old *role, imported bool) bool {
	switch {
	case d.IsCustom():
		r.Custom = append(r.Custom, d.RoleName)
	case !usable(d):
		r.Unusable = append(r.Unusable, d.RoleName)
	case old == nil:
		r.Added++
		return true
	case sameRole(d, old.Definition):
		r.Unchanged++
	case isFixed(d.ID):
		r.Fixed = append(r.Fixed, d.RoleName)
	case !d.UpdatedOn.IsZero() && isOlder(d, old, imported):
		r.Older = append(r.Older, d.RoleName)
	default:
		r.Changed++
		return true
	}
	return false
}

// isOlder reports whether a role of a file is not later than the role in the server. A later file may correct an
// imported role of the same date.
func isOlder(d Definition, old *role, imported bool) bool {
	given, has := d.UpdatedOn.Truncate(precision), old.UpdatedOn.Truncate(precision)
	return given.Before(has) || !imported && given.Equal(has)
}

// usable reports whether all patterns of a role can be understood.
func usable(d Definition) bool {
	for _, p := range d.Permissions {
		for _, pattern := range slices.Concat(p.Actions, p.NotActions, p.DataActions, p.NotDataActions) {
			if action.Check(pattern) != nil {
				return false
			}
		}
	}
	return true
}

// sameRole reports whether two versions of a role give the same rights under the same name.
func sameRole(a, b Definition) bool {
	return a.RoleName == b.RoleName && slices.EqualFunc(a.Permissions, b.Permissions, func(p, q Permission) bool {
		return reflect.DeepEqual(p.normal(), q.normal())
	})
}

// normal makes empty lists nil.
func (p Permission) normal() Permission {
	for _, list := range []*[]string{&p.Actions, &p.NotActions, &p.DataActions, &p.NotDataActions} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	return p
}

// storeImported writes the record of the imported roles.
func storeImported(tx store.Tx, kept map[string]Definition) error {
	all := make([]Definition, 0, len(kept))
	for _, d := range kept {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b Definition) int { return strings.Compare(a.ID, b.ID) })
	text, err := encodeLines(all)
	if err != nil {
		return fmt.Errorf("encode the roles: %w", err)
	}
	packed, err := compress(text)
	if err != nil {
		return fmt.Errorf("compress the roles: %w", err)
	}
	if len(packed) > maxImported {
		return fmt.Errorf("%w: its roles are %d bytes, compressed, and %d are possible", ErrDefinitionFile, len(packed), maxImported)
	}
	return importedRoles.Put(tx, importedKey, importedText{Text: packed})
}
