package compute

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

// The machines of a set change when its capacity is written, when one machine is deleted, and when the set is
// deleted. Every transaction of the first two kinds puts the set's record, so that two of them conflict and
// never decide on the same machines.
const (
	growStep   = 50 // machines created or changed in one transaction, with two keys each
	shrinkStep = 25 // machines marked as Deleting in one transaction, with four keys each, including event and operation
)

// ScaleOperation is the kind of the operation that every write of a scale set or of its tags begins. It creates or
// deletes machines until their number is equal to the capacity, and gives them the tags and the sku of the set.
const ScaleOperation = "scale"

// Scale is the resource.Worker of ScaleOperation.
func (s *Service) Scale(ctx context.Context, op resource.Operation) error {
	set, err := arm.ParseID(op.Target)
	if err != nil {
		return fmt.Errorf("scale: %w", err)
	}
	var ev activity.Event
	if op.Event != nil {
		ev = *op.Event
	}
	for settled := false; !settled; {
		if settled, err = s.scaleSome(ctx, ev, set); err != nil {
			return fmt.Errorf("scale %s: %w", set, err)
		}
	}
	return nil
}

// scaleSome creates, deletes or changes some machines of a uniform set. It reports true if there was nothing to
// do, or if there is no such set.
func (s *Service) scaleSome(ctx context.Context, ev activity.Event, set arm.ID) (settled bool, err error) {
	var ending []resource.Operation
	_, err = s.Resources.Store.Update(ctx, func(tx store.Tx) error {
		settled, ending = false, nil
		rec, err := s.Resources.Get(tx, set)
		if arm.IsResourceNotFound(err) || err == nil && (rec.State == resource.Deleting || modeOf(rec) == flexible) {
			settled = true
			return nil
		}
		if err != nil {
			return err
		}
		wanted, err := capacityOf(rec)
		if err != nil {
			return err
		}
		machines, err := s.machines(tx, set)
		switch {
		case err != nil:
			return err
		case len(machines) < wanted:
			return s.grow(tx, set, rec, min(wanted-len(machines), growStep))
		case len(machines) > wanted: // the newest machines are deleted
			ending, err = s.shrink(tx, ev, machines[max(wanted, len(machines)-shrinkStep):])
			if err != nil {
				return err
			}
			return s.Resources.Put(tx, set, rec)
		}
		settled, err = s.update(tx, set, rec)
		return err
	})
	for _, op := range ending {
		if err == nil {
			err = s.Resources.Finish(ctx, op)
		}
	}
	return settled, err
}

// grow creates n machines in a set.
func (s *Service) grow(tx store.Tx, set arm.ID, rec resource.Record, n int) error {
	for range n {
		if err := s.putInstance(tx, set, rec, rec.Numbered); err != nil {
			return err
		}
		rec.Numbered++
	}
	return s.Resources.Put(tx, set, rec)
}

// shrink marks machines as Deleting and appends an event for each.
func (s *Service) shrink(tx store.Tx, ev activity.Event, machines []arm.ID) (ending []resource.Operation, err error) {
	for _, id := range machines {
		ev := ev
		ev.ID, ev.ResourceID, ev.ResourceType = "", id.String(), string(Instance)
		op, _, err := s.Resources.MarkDeleting(tx, ev, id)
		if err != nil {
			return nil, err
		}
		if err := s.Resources.Log.Append(tx, ev); err != nil {
			return nil, err
		}
		ending = append(ending, op)
	}
	return ending, nil
}

// DeleteInstance deletes a machine of a set and lowers the set's capacity in the same transaction. Concurrent
// deletions of one machine lower the capacity once. It reports whether the machine existed.
func (s *Service) DeleteInstance(ctx context.Context, ev activity.Event, machine arm.ID) (existed bool, err error) {
	return s.Resources.DeleteWith(ctx, ev, machine, func(tx store.Tx, marked bool) error {
		if !marked {
			return nil
		}
		return s.lowerCapacity(tx, machine)
	})
}

// lowerCapacity lowers the capacity of a set by one for a machine that this transaction has marked as Deleting.
// If the set has more machines than its capacity, because a smaller capacity was written and Scale is not
// finished, the machine is one of the surplus machines and the capacity does not change.
func (s *Service) lowerCapacity(tx store.Tx, machine arm.ID) error {
	set := machine.Parent()
	rec, err := s.Resources.Get(tx, set)
	if err != nil {
		return err
	}
	capacity, err := capacityOf(rec)
	if err != nil {
		return err
	}
	machines, err := s.machines(tx, set) // as they were before this transaction
	if err != nil {
		return err
	}
	if len(machines) <= capacity && capacity > 0 {
		sku, err := fieldsOf(rec.Extra["sku"])
		if err != nil {
			return err
		}
		rec = rec.Clone()
		sku["capacity"] = json.RawMessage(strconv.Itoa(capacity - 1))
		if rec.Extra["sku"], err = sku.encode(); err != nil {
			return err
		}
	}
	return s.Resources.Put(tx, set, rec)
}

// machines returns the ids of a set's machines, oldest first, without those marked as Deleting.
func (s *Service) machines(tx store.Tx, set arm.ID) ([]arm.ID, error) {
	byNumber := map[int]arm.ID{}
	for rec, err := range s.Resources.Nested(tx, set) {
		if err != nil {
			return nil, err
		}
		if !rec.Type.Is(Instance) || rec.State == resource.Deleting {
			continue
		}
		id, err := arm.ParseID(rec.ID)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", rec.ID, err)
		}
		number, err := strconv.Atoi(id.Name())
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", rec.ID, err)
		}
		byNumber[number] = id
	}
	var ids []arm.ID
	for _, n := range slices.Sorted(maps.Keys(byNumber)) {
		ids = append(ids, byNumber[n])
	}
	return ids, nil
}

// Count returns the number of machines of a set.
func (s *Service) Count(ctx context.Context, set arm.ID) (n int, err error) {
	err = s.Resources.Store.View(ctx, func(tx store.Tx) error {
		machines, err := s.machines(tx, set)
		n = len(machines)
		return err
	})
	return n, err
}
