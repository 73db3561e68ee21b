package lab

import (
	"net/http"
	"strings"
	"sync"

	"midas/internal/arm"
	"midas/internal/directory"
)

// maxReservations bounds the reservations that have not been used.
const maxReservations = 20_000

// IDs are the ids that the next objects of some names get. It implements directory.Reservations. The zero value is empty
// and ready. It is safe for concurrent use and must not be copied.
type IDs struct {
	mu       sync.Mutex
	reserved map[reservedName]reservedIDs
	taken    map[string]reservedName // by id; an id is reserved for one name only
}

type reservedName struct {
	kind directory.ReservedKind
	name string // folded
}

type reservedIDs struct {
	id, appID string               // in lower case; empty for secrets
	text      directory.SecretText // of secrets
	spelled   string               // the name as the request spells it
}

func nameOf(kind directory.ReservedKind, name string) reservedName {
	return reservedName{kind, arm.Fold(name)}
}

// Reserved implements directory.Reservations.
func (i *IDs) Reserved(kind directory.ReservedKind, name string) (id, appID string, found bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	ids, found := i.reserved[nameOf(kind, name)]
	return ids.id, ids.appID, found
}

// ReservedSecret implements directory.Reservations.
func (i *IDs) ReservedSecret(name string) (text directory.SecretText, found bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	ids, found := i.reserved[nameOf(directory.ReservedSecret, name)]
	return ids.text, found
}

// Used implements directory.Reservations.
func (i *IDs) Used(kind directory.ReservedKind, name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	at := nameOf(kind, name)
	ids, found := i.reserved[at]
	if !found {
		return
	}
	delete(i.reserved, at)
	delete(i.taken, ids.id)
	delete(i.taken, ids.appID)
}

// Clear ends all reservations and returns their number.
func (i *IDs) Clear() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(i.reserved)
	i.reserved, i.taken = nil, nil
	return n
}

// count returns the number of reservations.
func (i *IDs) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.reserved)
}

// add adds all reservations or none. A reservation that exists already is kept.
func (i *IDs) add(all []reservation) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	reserved, taken := map[reservedName]reservedIDs{}, map[string]reservedName{}
	for _, r := range all {
		at, ids := nameOf(r.kind, r.name), reservedIDs{r.id, r.appID, r.text, r.name}
		was, exists := i.reserved[at]
		if !exists {
			was, exists = reserved[at]
		}
		if exists && (was.id != ids.id || was.appID != ids.appID || was.text != ids.text) {
			return errReserved("Other ids are reserved for the %s '%s' already.", r.kind, shown(r.name))
		}
		for _, id := range r.ids() {
			other, known := i.taken[id]
			if !known {
				other, known = taken[id]
			}
			if known && other != at {
				return errReserved("The id '%s' is reserved for the %s '%s' already.", id, other.kind, shown(other.name))
			}
			taken[id] = at
		}
		reserved[at] = ids
	}
	return i.merge(reserved, taken)
}

func (i *IDs) merge(reserved map[reservedName]reservedIDs, taken map[string]reservedName) error {
	fresh := 0
	for at := range reserved {
		if _, exists := i.reserved[at]; !exists {
			fresh++
		}
	}
	if len(i.reserved)+fresh > maxReservations {
		return arm.Errorf(http.StatusConflict, "TooManyReservations", "No more than %d ids can be reserved.", maxReservations)
	}
	if i.reserved == nil {
		i.reserved, i.taken = map[reservedName]reservedIDs{}, map[string]reservedName{}
	}
	for at, ids := range reserved {
		i.reserved[at] = ids
	}
	for id, at := range taken {
		i.taken[id] = at
	}
	return nil
}

// shown is a name for messages: of secrets the names of the application and of the secret.
func shown(name string) string { return strings.ReplaceAll(name, "\x00", "/") }

func errReserved(format string, args ...any) error {
	return arm.Errorf(http.StatusConflict, "IdReserved", format, args...)
}

// all returns a copy of the reservations.
func (i *IDs) all() []reservation {
	i.mu.Lock()
	defer i.mu.Unlock()
	all := make([]reservation, 0, len(i.reserved))
	for at, ids := range i.reserved {
		all = append(all, reservation{at.kind, ids.spelled, ids.id, ids.appID, ids.text})
	}
	return all
}
