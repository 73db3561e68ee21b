package rbac

import (
	"midas/internal/store"
)

// Give creates an assignment in the transaction of a caller that creates its scope, such as the Owner assignment of
// those who create a management group or a subscription. All fields of the assignment but the times must be
// set. Give checks neither the caller's rights nor that the principal exists.
func (s *Service) Give(tx store.Tx, a Assignment, by string) (Assignment, error) {
	scope, err := s.check(a)
	if err != nil {
		return Assignment{}, err
	}
	return s.create(tx, scope, a, by)
}
