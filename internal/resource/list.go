package resource

import (
	"context"
	"errors"
	"iter"

	"midas/internal/arm"
	"midas/internal/store"
)

// Page is a part of a list, of at most arm.PageBytes. Next is the position of the next page; it is empty on
// the last page.
type Page struct {
	Records []Record
	Next    string

	keys []string // the scanned keys of the records, of which Cut takes one as Next
}

// Cut shortens a page to its first n records, at least one. The next page starts after them.
func (p *Page) Cut(n int) {
	if n = max(n, 1); n < len(p.Records) {
		p.Records, p.Next = p.Records[:n], p.keys[n-1]
	}
}

// Part is the part of a list that one page shows.
type Part struct {
	After string // the Next of the page before; empty for the first page
	Limit int    // the maximum number of records

	// May reports whether the page may show a record. It is called in the transaction that has read the record.
	// If it is nil, the page may show all records.
	May func(store.Tx, Record) (bool, error)
}

// List returns one page of the records of a type below a scope (the root, a subscription, a group), in the
// order of ids. The cost of a page does not depend on its position in the list.
func (s *Service) List(ctx context.Context, scope arm.ID, typ arm.Type, part Part) (Page, error) {
	// The keys of a type whose last word is equal to a subscription's id have the prefix of its parent type in
	// that subscription. The filter by type removes them.
	return s.page(ctx, scope, typePrefix(typ, scope), part, func(rec Record) bool { return rec.Type.Is(typ) })
}

// Children returns one page of the resources of a type that are nested in a resource or extend it.
func (s *Service) Children(ctx context.Context, parent arm.ID, typ arm.Type, part Part) (Page, error) {
	ofType := func(rec Record) bool { return rec.Type.Is(typ) }
	if !isNested(typ, parent) {
		return s.page(ctx, parent, recordKey(parent)+"/providers/"+typ.Key()+"/", part, ofType)
	}
	word := typ.Key()[len(parent.Type().Key()):]
	found, err := s.page(ctx, parent, recordKey(parent)+word+"/", part, ofType)
	if arm.IsResourceNotFound(err) && !isNested(parent.Type(), parent.Parent()) {
		err = arm.ErrParentNotFound("read", s.registered(typ), parent)
	}
	return found, err
}

// Content returns one page of all resources in a group, also of those that All leaves out, in the order of ids. A
// parent comes before the resources that are nested in it.
func (s *Service) Content(ctx context.Context, group arm.ID, part Part) (Page, error) {
	return s.page(ctx, group, recordKey(group)+"/", part, func(Record) bool { return true })
}

// All returns one page of the tracked resources of all providers in a subscription or a group, in the order of
// ids.
func (s *Service) All(ctx context.Context, scope arm.ID, part Part) (Page, error) {
	return s.page(ctx, scope, recordKey(scope)+"/", part, func(rec Record) bool {
		return !rec.Type.Is(arm.TypeResourceGroup) && rec.Tracked()
	})
}

// Tracked reports whether ARM has a resource in its lists of all resources. ARM does not list proxy resources:
// those without a location that are nested in another resource or extend one, such as the subnets of a network.
func (r Record) Tracked() bool {
	if r.Location != "" {
		return true
	}
	id, err := arm.ParseID(r.ID)
	return err == nil && !id.Parent().IsResource()
}

// A page ends when it has scanned examined keys for each record of its limit, and at least leastExamined keys. So
// a page may have fewer records than its limit, or none, although more follow.
const (
	examined      = 10
	leastExamined = 1000
)

// page returns the records that match keep and that the part may show, from a prefix of records or of list keys
// that point to records.
func (s *Service) page(ctx context.Context, scope arm.ID, prefix string, part Part, keep func(Record) bool) (Page, error) {
	var page Page
	err := s.Store.View(ctx, func(tx store.Tx) error {
		page = Page{}
		if !scope.IsRoot() {
			if _, err := s.Get(tx, scope); err != nil {
				return err
			}
		}
		var last string
		seen, size := 0, 0
		for entry, err := range tx.Scan(store.Range{Prefix: prefix, After: part.After}) {
			if err != nil {
				return err
			}
			if len(page.Records) == part.Limit || seen == max(part.Limit*examined, leastExamined) {
				page.Next = last
				return nil
			}
			rec, shown, err := s.shown(tx, entry, part, keep)
			if err != nil {
				return err
			}
			if shown {
				if size += rec.Size; size > arm.PageBytes && len(page.Records) > 0 {
					page.Next = last
					return nil
				}
				page.Records, page.keys = append(page.Records, rec), append(page.keys, entry.Key)
			}
			seen, last = seen+1, entry.Key
		}
		return nil
	})
	return page, err
}

// shown returns the record of a scanned entry, and whether a page shows it.
func (s *Service) shown(tx store.Tx, entry store.Record, part Part, keep func(Record) bool) (Record, bool, error) {
	rec, err := s.follow(tx, entry)
	if errors.Is(err, store.ErrNotFound) {
		return rec, false, nil
	}
	if err != nil || !keep(rec) {
		return rec, false, err
	}
	if part.May == nil {
		return rec, true, nil
	}
	may, err := part.May(tx, rec)
	return rec, may, err
}

// follow returns the record of a scanned entry: the entry itself, or the record that a list key points to.
func (s *Service) follow(tx store.Tx, entry store.Record) (Record, error) {
	if store.TypeIndex.Holds(entry.Key) {
		return s.read(tx, store.ResourceKind.Keys+string(entry.Value))
	}
	return records.Decode(entry)
}

// NestedOf yields the resources directly below another one under the last word of their type, in the caller's
// transaction.
func (s *Service) NestedOf(tx store.Tx, parent arm.ID, word string) iter.Seq2[Record, error] {
	return nested(tx, recordKey(parent)+"/"+arm.Fold(word)+"/")
}

// Nested yields every resource below another one, in the caller's transaction.
func (s *Service) Nested(tx store.Tx, parent arm.ID) iter.Seq2[Record, error] {
	return nested(tx, recordKey(parent)+"/")
}

func nested(tx store.Tx, prefix string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for rec, err := range records.Scan(tx, store.Range{Prefix: prefix}) {
			if !yield(rec.Data, err) || err != nil {
				return
			}
		}
	}
}
