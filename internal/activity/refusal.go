package activity

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
	"midas/internal/throttle"
)

// Refusals can be caused by anybody who has a token, as many as they like. So they have a share of the log
// of their own: what is refused never takes the place of what was done.
const (
	// refusalWindow is for how long refusals of one kind (caller, operation, resource, outcome) are one
	// event with a count.
	refusalWindow = 5 * time.Minute

	// mostRefusals bounds how many events can be counted at a time, in memory.
	mostRefusals = 4096

	// refusalField bounds each text of a refusal, and refusalName its ids and names, in bytes.
	refusalField = 512
	refusalName  = 128

	// refusalPart of MaxBytes is for refusals, beside MaxBytes; refusalBytes if there is no MaxBytes.
	refusalPart  = 8
	refusalBytes = 32 << 20
)

// How many events of refusals of one caller, and of all, are written. What goes beyond is counted in one
// event for each caller and subscription.
var (
	refusalsOfCaller = throttle.Rule{Name: "refusals of a caller", Burst: 30, Refill: 10 * time.Second}
	refusalsOfAll    = throttle.Rule{Name: "refusals", Burst: 600, Refill: time.Second}
)

// refused are refusals of one kind that are being counted.
type refused struct {
	event Event
	until time.Time // a later one begins another event
	dirty bool      // the store does not have the newest count
}

// refusals counts. Its zero value is ready.
type refusals struct {
	mu      sync.Mutex
	counted map[[16]byte]*refused
	rates   *throttle.Table
}

// Refuse records that a request was refused. The first of a kind is in the log when Refuse returns.
// Repetitions within five minutes are counted in that event, and a caller of whom there are too many kinds
// gets one event for the rest; those counts are written by Run, once a minute. While the store takes no
// writes, refusals are only counted.
func (l *Log) Refuse(ctx context.Context, e Event) error {
	first := l.count(e)
	if first == nil {
		return nil
	}
	_, err := l.Store.Update(ctx, func(tx store.Tx) error { return l.putRefusal(tx, *first) })
	if errors.Is(err, store.ErrUnavailable) {
		return nil // it is still counted, and written later
	}
	return err
}

// count adds a refusal, and gives its event if it begins one.
func (l *Log) count(e Event) *Event {
	r, now := &l.refusals, l.Now().UTC()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counted == nil {
		r.counted, r.rates = map[[16]byte]*refused{}, &throttle.Table{Now: l.Now, Buckets: mostRefusals}
	}
	key := kindOf(e)
	if r.again(key, now) {
		return nil
	}
	caller := r.rates.Charge(refusalsOfCaller, e.TenantID, arm.Fold(e.CallerObjectID))
	if len(r.counted) >= mostRefusals || r.rates.Take(caller, r.rates.Charge(refusalsOfAll)) > 0 {
		e = r.summary(e)
		if key = kindOf(e); r.again(key, now) {
			return nil
		}
	}
	e.ID, e.Time, e.Last, e.Count, e.Status = l.NewID(), now, now, 1, Failed
	e.clipTo(refusalName)
	r.counted[key] = &refused{event: e, until: now.Add(refusalWindow), dirty: true}
	return &e
}

// again counts a refusal of a kind that is being counted. An event with a count that is not written goes on
// after its window until Run has written it: another in its place would lose that count.
func (r *refusals) again(key [16]byte, now time.Time) bool {
	known := r.counted[key]
	if known == nil {
		return false
	}
	until := known.until
	if known.dirty {
		until = until.Add(2 * trimEvery)
	}
	if !now.Before(until) {
		return false
	}
	known.event.Count++
	known.event.Last, known.dirty = now, true
	return true
}

// summary is an event for all further refusals of a caller in a subscription or, when there are too many
// of those, of all callers in all subscriptions.
func (r *refusals) summary(e Event) Event {
	out := Event{
		TenantID: e.TenantID, SubscriptionID: e.SubscriptionID, Caller: e.Caller, CallerObjectID: e.CallerObjectID,
		Code: e.Code, ErrorCode: e.ErrorCode, Operation: SeveralOperations, ResourceID: "/subscriptions/" + e.SubscriptionID,
	}
	if e.SubscriptionID == "" {
		out.ResourceID = "/"
	}
	if len(r.counted) >= 2*mostRefusals {
		out.SubscriptionID, out.ResourceID, out.Caller, out.CallerObjectID = "", "/", "", ""
	}
	return out
}

// SeveralOperations is the operation of an event that counts refusals of different operations.
const SeveralOperations = "*"

// kindOf tells refusals apart that are not counted together.
func kindOf(e Event) (key [16]byte) {
	h := sha256.New()
	for _, part := range []string{e.TenantID, e.SubscriptionID, e.CallerObjectID, e.Caller, e.Operation, e.ResourceID, e.ErrorCode} {
		part = arm.Fold(part)
		_ = binary.Write(h, binary.BigEndian, uint32(len(part)))
		h.Write([]byte(part))
	}
	_ = binary.Write(h, binary.BigEndian, int32(e.Code))
	copy(key[:], h.Sum(nil))
	return key
}

func (l *Log) putRefusal(tx store.Tx, e Event) error {
	return refusedEvents.Put(tx, refusedEvents.Kind.Keys+keyAt(e.Time)[len(prefix):]+"-"+e.ID, e)
}

// Flush writes the counts of refusals that the store does not have yet, and forgets what is not counted
// any more. Each is written once, as it is then: refusals that go on meanwhile are for the next Flush,
// so that nobody can keep it busy.
func (l *Log) Flush(ctx context.Context) error {
	for keys := range slices.Chunk(l.unwritten(), trimBatch) {
		batch := l.current(keys)
		_, err := l.Store.Update(ctx, func(tx store.Tx) error {
			for _, r := range batch {
				if err := l.putRefusal(tx, r.event); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("write the counts of refusals: %w", err)
		}
		l.written(batch)
	}
	l.forget()
	return nil
}

// unwritten gives the kinds of which the store does not have the newest count.
func (l *Log) unwritten() (keys [][16]byte) {
	r := &l.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, one := range r.counted {
		if one.dirty {
			keys = append(keys, key)
		}
	}
	return keys
}

// current gives what is counted, as it is now.
func (l *Log) current(keys [][16]byte) map[[16]byte]refused {
	r := &l.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := make(map[[16]byte]refused, len(keys))
	for _, key := range keys {
		if one := r.counted[key]; one != nil {
			batch[key] = *one
		}
	}
	return batch
}

// forget drops what is not counted any more and is written.
func (l *Log) forget() {
	r, now := &l.refusals, l.Now().UTC()
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.counted, func(_ [16]byte, one *refused) bool {
		return !one.dirty && !now.Before(one.until)
	})
}

func (l *Log) written(batch map[[16]byte]refused) {
	r := &l.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, was := range batch {
		if is := r.counted[key]; is != nil && is.event.ID == was.event.ID && is.event.Count == was.event.Count {
			is.dirty = false
		}
	}
}

// clipTo bounds the texts of a refusal: its id and its URI at refusalField, all others at most.
func (e *Event) clipTo(most int) {
	for _, field := range e.texts() {
		limit := most
		if field == &e.ResourceID || field == &e.URI {
			limit = refusalField
		}
		*field = cut(strings.ToValidUTF8(*field, "\uFFFD"), limit)
	}
}
