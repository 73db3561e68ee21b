package state

import (
	"sync"

	"midas/internal/arm"
)

// world is what a server has, as far as it was read.
type world struct {
	mu sync.Mutex

	entries    map[string]map[string]any // by index, as the API returns them
	principals map[string]string         // object ids of principals, by index
	ambiguous  map[string]bool           // indexes of names that several objects of the directory have
	roles      map[string]string         // GUIDs of roles, by folded name and by GUID
	assigned   map[string]map[string]any // role assignments, by scope, role and principal
	members    map[string]map[string]bool
	clients    map[string]string // client ids of managed identities, by object id; only if needed
	owners     map[string]string // object ids of service principals, by folded client id
	services   map[string]bool   // ids of first-party and other service principals, to which references by id may lead
	labels     map[string]string // names of principals by object id, for people
}

func newWorld() *world {
	return &world{
		entries: map[string]map[string]any{}, principals: map[string]string{}, ambiguous: map[string]bool{}, roles: map[string]string{},
		assigned: map[string]map[string]any{}, members: map[string]map[string]bool{}, clients: map[string]string{}, owners: map[string]string{}, services: map[string]bool{}, labels: map[string]string{},
	}
}

// put remembers an entry of an object. Names of the directory need not be unique.
func (w *world) put(k kind, key string, entry map[string]any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	index := indexOf(k, key)
	if w.entries[index] != nil {
		w.ambiguous[index] = true
	}
	w.entries[index] = entry
	w.learn(k, index, entry)
}

// learn remembers the object id of a principal. The caller holds the lock.
func (w *world) learn(k kind, index string, entry map[string]any) {
	id := ""
	switch k {
	case kindUser, kindGroup:
		id = textAt(entry, "id")
	case kindApplication:
		id = w.owners[arm.Fold(textAt(entry, "appId"))]
	case kindIdentity:
		id = textAt(entry, "properties", "principalId")
	case kindResource:
		id = textAt(entry, "identity", "principalId")
	}
	if id != "" {
		w.principals[index] = arm.Fold(id)
	}
}

// made remembers what the server has answered to the creation or the change of an object.
func (w *world) made(o *object, entry map[string]any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entries[o.index()] = entry
	w.learn(o.kind, o.index(), entry)
}

// entry returns what the server has of an object; nil for nothing.
func (w *world) entry(index string) map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.entries[index]
}

// principal returns the object id to which a reference leads; it is empty as long as the object does not exist.
func (w *world) principal(r *reference) string {
	if r.guid != "" {
		return r.guid
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.principals[r.index()]
}

// textAt returns a text inside of an entry, or nothing.
func textAt(entry map[string]any, path ...string) string {
	var value any = entry
	for _, name := range path {
		m, _ := value.(map[string]any)
		value = m[name]
	}
	text, _ := value.(string)
	return text
}

// assignmentKey identifies a role assignment by what it grants.
func assignmentKey(scope arm.ID, role, principal string) string {
	return scope.Key() + "\x00" + arm.Fold(role) + "\x00" + arm.Fold(principal)
}
