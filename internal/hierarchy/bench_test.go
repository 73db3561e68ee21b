package hierarchy_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/hierarchy"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	tenant = "11111111-1111-1111-1111-111111111111"
	sub    = "22222222-2222-2222-2222-222222222222"
)

// bench is a Service over a store in memory.
type bench struct{ *hierarchy.Service }

func newBench(t *testing.T) *bench {
	t.Helper()
	s := storetest.Memory(t)
	log := &activity.Log{Store: s, Now: time.Now, NewID: uuid.NewString}
	return &bench{hierarchy.New(hierarchy.Config{Store: s, Log: log, Now: time.Now})}
}

func group(name string) string { return "/providers/Microsoft.Management/managementGroups/" + name }

func event() activity.Event { return activity.Event{TenantID: tenant} }

// write is a request by a caller who may do everything.
func write(name string, parent *string) hierarchy.Write {
	return hierarchy.Write{TenantID: tenant, Name: name, Parent: parent,
		Allow: func(store.Tx, string, arm.ID) error { return nil }}
}

// put creates a group or moves it.
func (b *bench) put(t *testing.T, name, parent string) hierarchy.Group {
	t.Helper()
	w := write(name, &parent)
	if parent == "" {
		w.Parent = nil
	}
	g, _, err := b.Put(t.Context(), event(), w)
	if err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
	return g
}

func isClient(err error) bool {
	var e *arm.Error
	return errors.As(err, &e)
}
