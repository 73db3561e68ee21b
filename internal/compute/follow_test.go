package compute_test

import (
	"testing"

	"midas/internal/resource"
	"midas/internal/store"
)

// All tags of a machine that an older version of Midas has stored are from its set.
func TestTagsOfMachinesOfOlderVersionsAreFromTheirSet(t *testing.T) {
	s := newService(t)
	scale(t, s, "1")
	machine := id(t, set+"/virtualMachines/0")
	_, err := s.Resources.Store.Update(t.Context(), func(tx store.Tx) error {
		rec, err := s.Resources.Get(tx, machine)
		if err != nil {
			return err
		}
		rec.Tags, rec.Inherited = map[string]string{"of": "the set"}, nil
		return s.Resources.Put(tx, machine, rec)
	})
	if err != nil {
		t.Fatal(err)
	}
	scale(t, s, "1") // the set has no tags any more
	var rec resource.Record
	err = s.Resources.Store.View(t.Context(), func(tx store.Tx) (err error) {
		rec, err = s.Resources.Get(tx, machine)
		return err
	})
	if err != nil || len(rec.Tags) != 0 || rec.Inherited == nil {
		t.Errorf("%v %v, %v", rec.Tags, rec.Inherited, err)
	}
}
