package compute

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

// update gives some machines of a set what they have from it, up to growStep in one transaction. It reports true
// if no machine had to change. Otherwise it puts the set's record, so that it conflicts with a write of the set.
func (s *Service) update(tx store.Tx, set arm.ID, rec resource.Record) (settled bool, err error) {
	var changed []resource.Record
	for machine, err := range s.Resources.Nested(tx, set) {
		if err != nil {
			return false, err
		}
		if !machine.Type.Is(Instance) || machine.State == resource.Deleting {
			continue
		}
		wanted, err := followed(machine, rec)
		if err != nil {
			return false, err
		}
		if follows(machine, wanted) {
			continue
		}
		if changed = append(changed, wanted); len(changed) == growStep {
			break
		}
	}
	for _, machine := range changed {
		id, err := arm.ParseID(machine.ID)
		if err != nil {
			return false, fmt.Errorf("record %s: %w", machine.ID, err)
		}
		machine.Changed, machine.Revision = s.Now().UTC(), 0 // the store assigns the new revision
		if err := s.Resources.Put(tx, id, machine); err != nil {
			return false, err
		}
	}
	if len(changed) == 0 {
		return true, nil
	}
	return false, s.Resources.Put(tx, set, rec)
}

// followed returns the record of a machine with the tags and the sku of its set. The machine keeps the tags that
// only it has.
func followed(machine, set resource.Record) (resource.Record, error) {
	machine = machine.Clone()
	if machine.Inherited == nil { // it is new, or of a version that gave no machine tags of its own
		machine.Tags = nil
	}
	inherited := map[string]string{}
	for _, name := range machine.Inherited {
		inherited[name] = "" // any value
	}
	machine.Tags = resource.MergeTags(resource.DeleteTags(machine.Tags, inherited), set.Tags)
	if len(machine.Tags) == 0 {
		machine.Tags = nil
	}
	machine.Inherited = slices.AppendSeq([]string{}, maps.Keys(set.Tags))
	slices.Sort(machine.Inherited)
	sku, err := fieldsOf(set.Extra["sku"])
	if err != nil {
		return machine, err
	}
	delete(sku, "capacity")
	if len(sku) > 0 {
		machine.Extra["sku"], err = sku.encode()
	}
	return machine, err
}

// follows reports whether a machine has already what followed has returned for it.
func follows(machine, wanted resource.Record) bool {
	return maps.Equal(machine.Tags, wanted.Tags) && slices.Equal(machine.Inherited, wanted.Inherited) &&
		bytes.Equal(machine.Extra["sku"], wanted.Extra["sku"])
}
