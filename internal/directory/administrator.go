package directory

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// ErrLastAdministrator means that the change would leave the tenant without an enabled Global
// Administrator. Nobody could then appoint another one.
var ErrLastAdministrator = errors.New("directory: the last enabled Global Administrator of a tenant cannot be removed or disabled")

// maxRemovedAdministrators is how many Global Administrators one deletion in Azure Resource Manager may
// remove: each takes two of a transaction's keys.
const maxRemovedAdministrators = 40

// administrators is a tenant's count of enabled Global Administrators. Every transaction that changes the
// members of that role, or that deletes, enables or disables a member, reads and writes this record, so
// that concurrent changes conflict.
type administrators struct {
	Enabled int `json:"enabled"`
}

func administratorsKey(tenant string) string { return key(store.AdministratorsKind, tenant, "") }

// administrators reads the count and guards it. A store of an earlier version has no count, so it counts
// the members of the role.
func (d *Directory) administrators(tx store.Tx, tenant string) (administrators, error) {
	n, err := administratorCounts.Get(tx, administratorsKey(tenant))
	if !errors.Is(err, ErrNotFound) {
		return n, err
	}
	ids, err := roleMembership.members(tx, tenant, GlobalAdministrator, "", 0)
	if err != nil {
		return n, fmt.Errorf("count the administrators of %s: %w", tenant, err)
	}
	for _, id := range ids {
		switch enabled, err := isEnabledUnguarded(tx, tenant, id); {
		case err != nil:
			return n, fmt.Errorf("count the administrators of %s: %w", tenant, err)
		case enabled:
			n.Enabled++
		}
	}
	return n, nil
}

// changeAdministrators adds to the count, or returns ErrLastAdministrator.
func (d *Directory) changeAdministrators(tx store.Tx, tenant string, by int) error {
	n, err := d.administrators(tx, tenant)
	if err != nil {
		return err
	}
	if by < 0 && n.Enabled+by < 1 {
		return ErrLastAdministrator
	}
	n.Enabled += by
	return administratorCounts.Put(tx, administratorsKey(tenant), n)
}

// isEnabledUnguarded reports whether a principal or a user exists and is enabled. It does not guard the
// record, because a transaction may count more records than it can guard. Every change of them also
// changes the count, which is guarded.
func isEnabledUnguarded(tx store.Tx, tenant, oid string) (bool, error) {
	p, err := readUnguarded(tx, &principals, principalKey(tenant, oid))
	if !errors.Is(err, ErrNotFound) {
		return p.Enabled, err
	}
	u, err := readUnguarded(tx, &users, userKey(tenant, oid))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return u.Enabled, err
}

// readUnguarded reads a record without guarding it, or returns ErrNotFound. It does not see writes of the
// transaction itself.
func readUnguarded[T any](tx store.Tx, table *store.Table[T], key string) (T, error) {
	var zero T
	if len(key) > store.MaxKey {
		return zero, ErrNotFound
	}
	records, err := tx.Records(store.Range{Prefix: key, Limit: 1})
	if err != nil {
		return zero, err
	}
	if len(records) == 0 || records[0].Key != key {
		return zero, ErrNotFound
	}
	return table.Decode(records[0])
}

// IsGlobalAdministrator reports whether a principal of a tenant is a Global Administrator.
func (d *Directory) IsGlobalAdministrator(tx store.Tx, tenant, oid string) (bool, error) {
	return isAdministrator(tx, tenant, oid)
}

// isAdministrator reports whether an object is a Global Administrator, and guards that.
func isAdministrator(tx store.Tx, tenant, oid string) (bool, error) {
	return roleMembership.exists(tx, tenant, GlobalAdministrator, oid)
}

// countAdministrator updates the count if an object that is enabled or disabled is a Global Administrator.
func (d *Directory) countAdministrator(tx store.Tx, tenant, oid string, was, is bool) error {
	if was == is {
		return nil
	}
	admin, err := isAdministrator(tx, tenant, oid)
	if err != nil || !admin {
		return err
	}
	if is {
		return d.changeAdministrators(tx, tenant, 1)
	}
	return d.changeAdministrators(tx, tenant, -1)
}

// removeAdministrator removes a deleted object from the role of Global Administrator, or returns
// ErrLastAdministrator.
func (d *Directory) removeAdministrator(tx store.Tx, tenant, oid string, enabled bool) error {
	admin, err := isAdministrator(tx, tenant, oid)
	if err != nil || !admin {
		return err
	}
	roleMembership.deleteKeys(tx, tenant, GlobalAdministrator, oid)
	if !enabled {
		return nil
	}
	return d.changeAdministrators(tx, tenant, -1)
}

// RemoveAdministrators removes the managed identities of resources that are about to be deleted from the
// role of Global Administrator; ends reports whether a resource is one of them. Call it in the transaction
// that accepts the deletion, so that the later cascade cannot fail at the last administrator. It returns
// ErrLastAdministrator if no enabled administrator would be left, and ErrInvalid for more than
// maxRemovedAdministrators.
func (d *Directory) RemoveAdministrators(tx store.Tx, tenant string, ends func(resource arm.ID) bool) error {
	n, err := d.administrators(tx, tenant) // guarded, so that no administrator is added concurrently
	if err != nil {
		return err
	}
	ids, err := roleMembership.members(tx, tenant, GlobalAdministrator, "", 0)
	if err != nil {
		return fmt.Errorf("end administrators: %w", err)
	}
	ended, enabled := 0, 0
	for _, id := range ids {
		p, found, err := managedIdentityUnguarded(tx, tenant, id)
		if err != nil {
			return fmt.Errorf("end administrators: %w", err)
		}
		if !found || !ends(p.resource) {
			continue
		}
		if ended++; ended > maxRemovedAdministrators {
			return fmt.Errorf("%w: more than %d Global Administrators would be deleted at once", ErrInvalid, maxRemovedAdministrators)
		}
		if p.enabled {
			enabled++
		}
		roleMembership.deleteKeys(tx, tenant, GlobalAdministrator, id)
	}
	if enabled == 0 {
		return nil
	}
	if n.Enabled-enabled < 1 {
		return ErrLastAdministrator
	}
	n.Enabled -= enabled
	return administratorCounts.Put(tx, administratorsKey(tenant), n)
}

// managedIdentity is what RemoveAdministrators reads of a managed identity.
type managedIdentity struct {
	resource arm.ID
	enabled  bool
}

// managedIdentityUnguarded reads the service principal of a managed identity without guarding it.
func managedIdentityUnguarded(tx store.Tx, tenant, oid string) (m managedIdentity, found bool, err error) {
	p, err := readUnguarded(tx, &principals, principalKey(tenant, oid))
	if errors.Is(err, ErrNotFound) {
		return m, false, nil
	}
	if err != nil || p.Type != TypeManagedIdentity {
		return m, false, err
	}
	m.enabled = p.Enabled
	m.resource, found = p.resource()
	return m, found, nil
}

// resource is the id of the ARM resource of a managed identity.
func (p *ServicePrincipal) resource() (arm.ID, bool) {
	if p.Type != TypeManagedIdentity {
		return arm.ID{}, false
	}
	for _, text := range append([]string{p.ResourceID}, p.AlternativeNames...) {
		if id, err := arm.ParseID(text); text != "" && err == nil {
			return id, true
		}
	}
	return arm.ID{}, false
}

// checkNotDeleting returns ErrNotFound for the principal of a managed identity whose resource is being
// deleted. RemoveAdministrators has already run for that resource, so its principal must not become an
// administrator again.
func (d *Directory) checkNotDeleting(tx store.Tx, p ServicePrincipal) error {
	id, found := p.resource()
	if !found || d.CheckNotDeleting == nil {
		return nil
	}
	err := d.CheckNotDeleting(tx, id)
	var going *arm.Error
	if errors.As(err, &going) {
		return fmt.Errorf("managed identity %s is being deleted: %w", p.ID, ErrNotFound)
	}
	return err
}
