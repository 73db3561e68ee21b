package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/resource"
)

// CarrierBody is the body of a PUT or PATCH of a resource that may carry identities. It is kept as
// it is given, but for what is not the client's to say.
type CarrierBody struct {
	Location   Optional[string]
	Tags       Optional[map[string]string]
	Properties Optional[map[string]json.RawMessage]
	Identity   Optional[ManagedServiceIdentityBody]
	Extra      map[string]json.RawMessage // all other fields: kind, sku, plan, zones
}

// UnmarshalJSON implements json.Unmarshaler. The names of ARM's own fields compare without case.
func (b *CarrierBody) UnmarshalJSON(data []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	b.Extra = map[string]json.RawMessage{}
	seen := make(map[string]bool, len(fields))
	for name, value := range fields {
		if seen[arm.Fold(name)] {
			return arm.ErrInvalidContent("The field '%.100s' is there twice, in different spellings", name)
		}
		seen[arm.Fold(name)] = true
		var into json.Unmarshaler
		switch arm.Fold(name) {
		case "location":
			into = &b.Location
		case "tags":
			into = &b.Tags
		case "properties":
			into = &b.Properties
		case "identity":
			into = &b.Identity
		case "id", "name", "type", "etag", "systemdata":
			continue
		default:
			b.Extra[usual(name)] = value
			continue
		}
		if err := into.UnmarshalJSON(value); err != nil {
			return fieldError(name, err)
		}
	}
	return nil
}

// fieldError says where in a body a value of the wrong type is.
func fieldError(name string, err error) error {
	var wrongType *json.UnmarshalTypeError
	if !errors.As(err, &wrongType) {
		return err
	}
	if wrongType.Field != "" {
		name += "." + wrongType.Field
	}
	return arm.ErrInvalidContent("Error converting a value of type '%s'. Path '%s'", wrongType.Value, name)
}

// usual gives the fields that ARM knows of all resources their usual spelling.
func usual(name string) string {
	for _, known := range []string{"kind", "sku", "plan", "zones", "managedBy", "extendedLocation"} {
		if arm.SameName(name, known) {
			return known
		}
	}
	return name
}

// Replace is the change of a PUT.
func (b CarrierBody) Replace(old resource.Record) (resource.Record, error) {
	old.Location, old.Tags, old.Extra = b.Location.Value, b.Tags.Value, nil
	for name, value := range b.Extra {
		if string(value) != "null" {
			if old.Extra == nil {
				old.Extra = map[string]json.RawMessage{}
			}
			old.Extra[name] = value
		}
	}
	var err error
	old.Properties, err = properties(b.Properties.Value)
	return old, err
}

// Merge is the change of a PATCH. Tags are replaced as a whole, as ARM has it; all else is merged by
// RFC 7396.
func (b CarrierBody) Merge(old resource.Record) (resource.Record, error) {
	old.Location = b.Location.Value
	b.Tags.Merge(&old.Tags)
	for name, value := range b.Extra {
		if string(value) == "null" {
			delete(old.Extra, name)
			continue
		}
		whole, err := mergePatch(old.Extra[name], value)
		if err != nil {
			return old, err
		}
		if old.Extra == nil {
			old.Extra = map[string]json.RawMessage{}
		}
		old.Extra[name] = whole
	}
	switch {
	case b.Properties.Null:
		old.Properties, old.UserData = nil, nil
	case b.Properties.Present:
		patch, err := properties(b.Properties.Value)
		if err != nil || patch == nil { // without fields a patch changes nothing
			return old, err
		}
		if old.Properties, err = mergePatch(old.Properties, patch); err != nil {
			return old, err
		}
		if endsUserData(patch) {
			old.UserData = nil
		}
	}
	return old, nil
}

// endsUserData tells that a patch sets the user data of a virtual machine or a scale set to null, or
// what has them. They are not among the properties that a patch is merged into.
func endsUserData(patch json.RawMessage) bool {
	var p struct {
		UserData json.RawMessage `json:"userData"`
		Profile  json.RawMessage `json:"virtualMachineProfile"`
	}
	if json.Unmarshal(patch, &p) != nil || string(p.UserData) == "null" || string(p.Profile) == "null" {
		return true // it was encoded here, so it is an object
	}
	p.UserData = nil
	return len(p.Profile) > 0 && json.Unmarshal(p.Profile, &p) == nil && string(p.UserData) == "null"
}

// properties are those of a body without the provisioning state, which is Midas's to say.
func properties(given map[string]json.RawMessage) (json.RawMessage, error) {
	for name := range given {
		if arm.SameName(name, "provisioningState") {
			delete(given, name)
		}
	}
	if len(given) == 0 {
		return nil, nil
	}
	return json.Marshal(given)
}

// EncodeCarrier shows a resource and its identities. The state is the one to show: a resource whose
// change has just been accepted is Updating, as in Azure, until the client asks again.
func EncodeCarrier(v arm.Version, c identity.Carrier, state string) map[string]any {
	out := make(map[string]any, 8+len(c.Extra))
	for name, value := range c.Extra {
		out[name] = value
	}
	out["id"], out["name"], out["type"] = c.ID, c.Name, c.Type
	if c.Location != "" {
		out["location"] = c.Location
	}
	if len(c.Tags) > 0 {
		out["tags"] = c.Tags
	}
	if value := EncodeManagedServiceIdentity(v, c); value != nil {
		out["identity"] = value
	}
	if tag := ETag(v, c); tag != "" {
		out["etag"] = tag
	}
	out["properties"] = withState(c.Properties, state)
	return out
}

// ETag counts the changes of a machine or scale set, in the versions of Microsoft.Compute that tell
// of them; elsewhere it is empty.
func ETag(v arm.Version, c identity.Carrier) string {
	if !arm.SameName(c.Type.Namespace(), "Microsoft.Compute") || v.Compare("2024-07-01") < 0 || c.Changes == 0 {
		return ""
	}
	return `"` + strconv.Itoa(c.Changes) + `"`
}

// withState puts the provisioning state in front of properties.
func withState(properties json.RawMessage, state string) json.RawMessage {
	var b bytes.Buffer
	b.WriteString(`{"provisioningState":"` + state + `"`)
	if rest := strings.TrimSpace(string(properties)); len(rest) > 2 {
		b.WriteString("," + rest[1:])
	} else {
		b.WriteByte('}')
	}
	return b.Bytes()
}
