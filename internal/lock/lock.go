package lock

import (
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// Type is the resource type of locks. A lock extends the scope that it protects.
const Type arm.Type = "Microsoft.Authorization/locks"

// Lock protects a scope and everything below it.
type Lock struct {
	Name  string `json:"name"`
	Scope string `json:"scope"` // in the spelling of the request that created it
	Level Level  `json:"level"`

	Notes *string `json:"notes,omitempty"`
	// Owners are the application ids of the lock's owners. As in Azure, they are information only.
	Owners []string `json:"owners,omitzero"`

	CreatedOn time.Time `json:"createdOn"`
	UpdatedOn time.Time `json:"updatedOn"`
	CreatedBy string    `json:"createdBy,omitempty"` // the caller's name: of a user, or the client id of an application
	UpdatedBy string    `json:"updatedBy,omitempty"`
}

var locks = store.Table[Lock]{Kind: store.LockKind}

// rowKey is the key of a lock.
func rowKey(scope arm.ID, name string) string {
	return store.LockKind.Keys + scope.Key() + "\x00" + arm.Fold(name)
}

// scopeOf returns the key of the scope in the key of a lock.
func scopeOf(key string) string {
	scope, _, _ := strings.Cut(strings.TrimPrefix(key, store.LockKind.Keys), "\x00")
	return scope
}
