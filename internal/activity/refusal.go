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

// Anybody with a token can cause any number of refusals. Refusals therefore have a separate share of the log,
// so that they never displace accepted events.
const (
	// refusalWindow is the time in which refusals of one kind (caller, operation, resource, outcome) are
	// counted in one event.
	refusalWindow = 5 * time.Minute

	// mostRefusals is the limit of events that are counted in memory at a time. Summaries may take as many
	// again.
	mostRefusals = 4096

	// refusalField is the limit of a refusal's resource id and URI, and refusalName that of its other texts,
	// in bytes.
	refusalField = 512
	refusalName  = 128

	// The size limit of all refusals is MaxBytes/refusalPart, in addition to MaxBytes, or refusalBytes if
	// MaxBytes is 0.
	refusalPart  = 8
	refusalBytes = 32 << 20
)

// The rates at which new events of refusals are written, for one caller and for all. Refusals beyond these
// rates are counted in one event for each caller and subscription.
var (
	refusalsOfCaller = throttle.Rule{Name: "refusals of a caller", Burst: 30, Refill: 10 * time.Second}
	refusalsOfAll    = throttle.Rule{Name: "refusals", Burst: 600, Refill: time.Second}
)

// refused is the count of the refusals of one kind.
type refused struct {
	event Event
	until time.Time // a later refusal starts another event
	dirty bool      // the newest count is not stored yet
}

// refusals counts refusals by kind. Its zero value is ready to use.
type refusals struct {
	mu      sync.Mutex
	counted map[[16]byte]*refused
	rates   *throttle.Table
}

// Refuse records a refused request. The first refusal of a kind is in the log when Refuse returns.
// Repetitions within five minutes are counted in the same event, and further kinds of a caller with too many
// kinds are counted in one event. Run writes those counts once a minute. While the store is unavailable,
// refusals are only counted in memory.
func (l *Log) Refuse(ctx context.Context, e Event) error {
	first := l.count(e)
	if first == nil {
		return nil
	}
	_, err := l.Store.Update(ctx, func(tx store.Tx) error { return l.putRefusal(tx, *first) })
	if errors.Is(err, store.ErrUnavailable) {
		return nil // Flush writes it later
	}
	return err
}

// count counts a refusal. It returns the event if the refusal starts a new one, and nil otherwise.
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

// again counts a refusal in the current event of its kind and reports whether there is one. An event whose
// count is not stored yet continues after its window until Run has stored it, because a new event in its
// place would lose that count.
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

// summary returns the event that counts all further refusals of a caller in a subscription or, if there are
// too many such events, of all callers in all subscriptions.
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

// SeveralOperations is the Operation of an event that counts refusals of different operations.
const SeveralOperations = "*"

// kindOf returns the key of a refusal's kind. Refusals with the same key are counted in one event.
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

// Flush stores the counts of refusals that are not stored yet, and deletes from memory the counts whose
// window has ended. It stores each count once. Refusals that arrive during a Flush are stored by the next
// one, so a caller who is refused all the time cannot keep Flush from returning.
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

// unwritten returns the kinds whose newest count is not stored yet.
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

// current returns copies of the counts of these kinds.
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

// forget deletes from memory the stored counts whose window has ended.
func (l *Log) forget() {
	r, now := &l.refusals, l.Now().UTC()
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.counted, func(_ [16]byte, one *refused) bool {
		return !one.dirty && !now.Before(one.until)
	})
}

// written marks counts as stored, unless they have changed since they were copied.
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

// clipTo shortens the resource id and the URI of a refusal to refusalField bytes, and all other texts to most
// bytes.
func (e *Event) clipTo(most int) {
	for _, field := range e.texts() {
		limit := most
		if field == &e.ResourceID || field == &e.URI {
			limit = refusalField
		}
		*field = cut(strings.ToValidUTF8(*field, "\uFFFD"), limit)
	}
}
