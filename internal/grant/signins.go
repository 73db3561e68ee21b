package grant

import (
	"errors"
	"slices"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// MaxFamilies is how many families of refresh tokens a user can have. A further one ends the oldest family
// of the client that has the most, so that no client can end the grants of others.
const MaxFamilies = 100

// signIns lists the families of a user, oldest first. It bounds their number (MaxFamilies).
type signIns struct {
	Families []signIn  `json:"families"`
	Expires  time.Time `json:"expires"` // prolonged when families are used
}

type signIn struct {
	ID     string    `json:"id"` // of the family
	Client string    `json:"client"`
	Ends   time.Time `json:"ends,omitzero"` // for a single-page application's family, which is not prolonged
}

var signInLists = store.Table[signIns]{Kind: store.SignInsKind, Missing: ErrInvalid}

func signInsKey(granted Grant) string {
	return key(store.SignInsKind, granted.TenantID, granted.UserID)
}

// addSignIn adds a family to its user's list, and ends families beyond MaxFamilies. It writes only if the
// family is new, or if the list would expire before the family.
func (g *Grants) addSignIn(tx store.Tx, id string, r familyRecord) error {
	name, now := signInsKey(r.Grant), g.now()
	all, err := signInLists.Get(tx, name)
	missing := errors.Is(err, ErrInvalid)
	if err != nil && !missing {
		return err
	}
	listed := slices.ContainsFunc(all.Families, func(one signIn) bool { return one.ID == id })
	if listed && now.Add(RefreshLifetime).Before(all.Expires) {
		return nil
	}
	if missing {
		if err := expireAt(tx, now.Add(2*RefreshLifetime), name); err != nil {
			return err
		}
	}
	if !listed {
		all.Families = slices.DeleteFunc(all.Families, func(one signIn) bool { return !one.Ends.IsZero() && !now.Before(one.Ends) })
		for len(all.Families) >= MaxFamilies {
			i := oldestOfLargestClient(all.Families)
			tx.Delete(familyKey(r.TenantID, all.Families[i].ID))
			all.Families = slices.Delete(all.Families, i, i+1)
		}
		one := signIn{ID: id, Client: arm.Fold(r.ClientID)}
		if r.Page {
			one.Ends = r.Expires
		}
		all.Families = append(all.Families, one)
	}
	all.Expires = now.Add(2 * RefreshLifetime)
	return signInLists.Put(tx, name, all)
}

// oldestOfLargestClient returns the index of the oldest family of the client that has the most families.
func oldestOfLargestClient(families []signIn) (oldest int) {
	count := make(map[string]int)
	for _, one := range families {
		count[one.Client]++
	}
	for i, one := range families {
		if count[one.Client] > count[families[oldest].Client] {
			oldest = i
		}
	}
	return oldest
}

// endFamily removes a family, if it exists, and its entry in its user's list.
func (g *Grants) endFamily(tx store.Tx, tenant, id string) error {
	r, err := families.Get(tx, familyKey(tenant, id))
	if errors.Is(err, ErrInvalid) {
		return nil
	}
	if err != nil {
		return err
	}
	tx.Delete(familyKey(tenant, id))
	name := signInsKey(r.Grant)
	all, err := signInLists.Get(tx, name)
	if errors.Is(err, ErrInvalid) {
		return nil
	}
	if err != nil {
		return err
	}
	all.Families = slices.DeleteFunc(all.Families, func(one signIn) bool { return one.ID == id })
	return signInLists.Put(tx, name, all)
}
