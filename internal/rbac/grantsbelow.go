package rbac

import (
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// grantsBelow calls visit with the assignments to a caller and to its groups at the scopes below a scope whose ids
// begin with its id, until visit returns false.
func (s *Service) grantsBelow(tx store.Tx, caller *Caller, scope arm.ID, visit func(*grant) (more bool)) error {
	r := grantReader{service: s, tx: tx, tenant: arm.Fold(caller.TenantID)}
	for i := -1; i < len(caller.Groups); i++ {
		id := caller.ObjectID
		if i >= 0 {
			id = caller.Groups[i]
		}
		if id == "" {
			continue
		}
		prefix := indexPrefix(id) + strings.TrimSuffix(scope.Key(), "/") + "/"
		if more, err := r.each(prefix, visit); err != nil || !more {
			return err
		}
	}
	return nil
}
