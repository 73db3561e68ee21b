package wire

import (
	"midas/internal/arm"
	"midas/internal/lock"
)

// lockSystemDataSince is the first version whose locks have systemData. Source: Microsoft's OpenAPI files.
const lockSystemDataSince arm.Version = "2020-05-01"

// Lock is a lock in an answer.
type Lock struct {
	Properties lockProperties `json:"properties"`
	ID         string         `json:"id"`
	Type       arm.Type       `json:"type"`
	Name       string         `json:"name"`
	SystemData *SystemData    `json:"systemData,omitempty"`
}

type lockProperties struct {
	Level  lock.Level  `json:"level"`
	Notes  *string     `json:"notes,omitempty"`
	Owners []lockOwner `json:"owners,omitempty"`
}

type lockOwner struct {
	ApplicationID string `json:"applicationId"`
}

// EncodeLock encodes a lock.
func EncodeLock(v arm.Version, l lock.Lock) Lock {
	scope, _ := arm.ParseID(l.Scope) // it was parsed before it was stored
	out := Lock{
		ID: child(scope, lock.Type, l.Name), Type: lock.Type, Name: l.Name,
		Properties: lockProperties{Level: l.Level, Notes: l.Notes},
	}
	for _, id := range l.Owners {
		out.Properties.Owners = append(out.Properties.Owners, lockOwner{id})
	}
	if atLeast(v, lockSystemDataSince) {
		out.SystemData = encodeSystemData(modification{l.CreatedBy, l.CreatedOn}, modification{l.UpdatedBy, l.UpdatedOn})
	}
	return out
}

// LockBody is the body of a PUT of a lock.
type LockBody struct {
	Properties *struct {
		Level  string      `json:"level"`
		Notes  *string     `json:"notes"`
		Owners []lockOwner `json:"owners"`
	} `json:"properties"`
}

// Lock returns the lock that the body describes.
func (b LockBody) Lock(name string) (lock.Lock, error) {
	p := b.Properties
	if p == nil || p.Level == "" {
		return lock.Lock{}, arm.ErrInvalidContent("Required property 'level' not found in JSON. Path 'properties'")
	}
	l := lock.Lock{Name: name, Level: lock.Level(p.Level), Notes: p.Notes}
	for _, owner := range p.Owners {
		l.Owners = append(l.Owners, owner.ApplicationID)
	}
	return l, nil
}
