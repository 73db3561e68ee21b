package compute

import (
	"encoding/json"

	"midas/internal/arm"
	"midas/internal/resource"
)

const (
	userDataField = "userData"
	profileField  = "virtualMachineProfile" // of a scale set: the model of its machines
	maxUserData   = 64 << 10                // bytes of base64, as in Azure
)

// userDataPath returns the path of the user data in the properties of a type; nil if the type has none.
func userDataPath(typ arm.Type) []string {
	switch {
	case typ.Is(VirtualMachine):
		return []string{userDataField}
	case typ.Is(ScaleSet):
		return []string{profileField, userDataField}
	}
	return nil
}

// SealUserData moves the user data of a virtual machine or a scale set from the properties into
// Record.UserData, sealed. If the properties have no user data, the record keeps its own, because a client
// that reads a resource and writes it back has not seen them. Null or an empty string removes them.
func (s *Service) SealUserData(rec resource.Record) (resource.Record, error) {
	path := userDataPath(rec.Type)
	if path == nil {
		return rec, nil
	}
	var given json.RawMessage
	var err error
	if rec.Properties, given, err = take(rec.Properties, path); err != nil || given == nil {
		return rec, err
	}
	var data *string
	if err := json.Unmarshal(given, &data); err != nil || data != nil && len(*data) > maxUserData {
		return rec, errInvalid(userDataField, "Parameter 'userData' must be base64 text of at most %d bytes.", maxUserData)
	}
	if data == nil {
		data = new(string)
	}
	err = s.Resources.SetUserData(&rec, *data)
	return rec, err
}

// AdoptUserData is SealUserData for records that were stored before user data were sealed. It leaves user data
// that are not valid in the properties; resource.WithoutSecrets removes them.
func (s *Service) AdoptUserData(rec resource.Record) (resource.Record, error) {
	if sealed, err := s.SealUserData(rec); err == nil {
		return sealed, nil
	}
	return rec, nil
}

// WithUserData adds the user data to the properties, for $expand=userData and for the machine itself.
func (s *Service) WithUserData(rec resource.Record) (resource.Record, error) {
	path := userDataPath(rec.Type)
	data, err := s.Resources.UserData(rec)
	if err != nil || data == "" || path == nil {
		return rec, err
	}
	encoded, err := json.Marshal(data)
	if err != nil {
		return rec, err
	}
	rec.Properties, err = put(rec.Properties, path, encoded)
	return rec, err
}

// take removes the value at a path from an object, and returns the rest and the value. Names compare without
// case. If the object has no such value, rest is the object and value is nil.
func take(object json.RawMessage, path []string) (rest, value json.RawMessage, err error) {
	all, err := fieldsOf(object)
	if err != nil {
		return object, nil, nil // a value that is not an object has no fields
	}
	for name, member := range all {
		if !arm.SameName(name, path[0]) {
			continue
		}
		if len(path) == 1 {
			value = member
			delete(all, name)
			continue
		}
		inner, found, err := take(member, path[1:])
		if err != nil {
			return nil, nil, err
		}
		if found != nil {
			all[name], value = inner, found
		}
	}
	if value == nil {
		return object, nil, nil
	}
	rest, err = all.encode()
	return rest, value, err
}

// put sets the value at a path of an object. Names compare without case.
func put(object json.RawMessage, path []string, value json.RawMessage) (json.RawMessage, error) {
	all, err := fieldsOf(object)
	if err != nil {
		return nil, err
	}
	at := path[0]
	for name := range all {
		if arm.SameName(name, at) {
			at = name
			break
		}
	}
	if len(path) > 1 {
		if value, err = put(all[at], path[1:], value); err != nil {
			return nil, err
		}
	}
	all[at] = value
	return all.encode()
}
