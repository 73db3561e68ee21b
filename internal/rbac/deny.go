package rbac

import "midas/internal/store"

// denied returns the deny assignment that denies an access, if there is one. There are no deny assignments.
func (s *Service) denied(store.Tx, *Access) (ref Ref, denied bool, err error) {
	return Ref{}, false, nil
}
