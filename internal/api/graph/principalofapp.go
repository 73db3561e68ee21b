package graph

import (
	"encoding/json"

	"midas/internal/directory"
)

// ofApplication are properties of service principals that repeat a property of the application. A service
// principal without an application has null.
type ofApplication struct{ applications *schema[application] }

// value is the value of a property of the application, or of a part of it.
func (o ofApplication) value(p principal, name string, part ...string) any {
	if p.app.ID == "" {
		return nil
	}
	v := o.applications.value(application{Application: p.app}, name)
	for _, wanted := range part {
		whole, _ := v.(object)
		v = nil
		for _, one := range whole {
			if one.name == wanted {
				v = one.value
			}
		}
	}
	return v
}

// field is a property that clients cannot set.
func (o ofApplication) field(name, of string) field[principal] {
	return readOnly(name, notQueryable, func(p principal) any { return o.value(p, of) })
}

// unlessSet is an opaque property that has the application's value until a client sets it.
func (o ofApplication) unlessSet(own field[principal], of string, part ...string) field[principal] {
	stored := own.get
	own.get = func(p principal) any {
		if raw, _ := stored(p).(json.RawMessage); !isNull(raw) {
			return raw
		}
		return o.value(p, of, part...)
	}
	return own
}

// alternativeNames are free texts of applications' service principals. Those of a managed identity name its
// resource, so clients cannot change them.
func alternativeNames() field[principal] {
	const most, length = 50, 512
	return field[principal]{
		name: "alternativeNames", use: collection,
		get: func(p principal) any { return list(p.AlternativeNames) },
		set: func(p *principal, raw json.RawMessage) error {
			if p.Type == directory.TypeManagedIdentity {
				return errBadRequest("Property 'alternativeNames' of the service principal of a managed identity cannot be changed.")
			}
			return setTextCollection("alternativeNames", most, length, &p.AlternativeNames, raw)
		},
	}
}
