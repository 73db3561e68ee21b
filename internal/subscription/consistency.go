package subscription

import (
	"fmt"
	"iter"
	"strings"

	"midas/internal/store"
)

// Inconsistencies checks all aliases of subscriptions. It yields a store.Flaw for each alias that is not under its key
// or is not counted, and for each wrong count. It ends after an error of the store.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	checks := store.Checks{store.SubscriptionAliasKind: checkAlias, store.AliasCountKind: checkCount}
	return store.Examine(tx, checks, store.SubscriptionAliasKind.Keys, store.AliasCountKind.Keys)
}

func checkAlias(tx store.Tx, rec store.Record) error {
	a, err := aliases.Decode(rec)
	if err != nil {
		return err
	}
	if aliasKey(a.TenantID, a.Name) != rec.Key {
		return fmt.Errorf("the key is not that of %s", a.Name)
	}
	return store.Exists(tx, "the count of the tenant", countKey(a.TenantID))
}

func checkCount(tx store.Tx, rec store.Record) error {
	kept, err := tallies.Decode(rec)
	if err != nil {
		return err
	}
	found := 0
	for _, err := range tx.Scan(store.Range{Prefix: aliasPrefix(strings.TrimPrefix(rec.Key, store.AliasCountKind.Keys))}) {
		if err != nil {
			return err
		}
		found++
	}
	if found != kept.Aliases {
		return fmt.Errorf("the count is %d, and there are %d", kept.Aliases, found)
	}
	return nil
}
