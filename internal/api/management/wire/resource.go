package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"midas/internal/arm"
	"midas/internal/compute"
	"midas/internal/identity"
	"midas/internal/resource"
)

// ResourceBody is the body of a PUT or PATCH of a resource that can have identities. All fields are stored
// as given, except those that the server sets (id, name, type, etag, systemData, provisioningState).
type ResourceBody struct {
	Location   Optional[string]
	Tags       Optional[map[string]string]
	Properties Optional[map[string]json.RawMessage]
	Identity   Optional[ManagedServiceIdentityBody]
	Extra      map[string]json.RawMessage // all other fields: kind, sku, plan, zones
}

// UnmarshalJSON implements json.Unmarshaler. The names of ARM's own fields compare without case.
func (b *ResourceBody) UnmarshalJSON(data []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	b.Extra = map[string]json.RawMessage{}
	seen := make(map[string]bool, len(fields))
	for name, value := range fields {
		if seen[arm.Fold(name)] {
			return arm.ErrInvalidContent("The field '%.100s' occurs twice, in different spellings", name)
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
			b.Extra[canonicalName(name)] = value
			continue
		}
		if err := into.UnmarshalJSON(value); err != nil {
			return fieldError(name, err)
		}
	}
	return nil
}

// fieldError adds the name of the field to the error of a value of the wrong type.
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

// canonicalName returns ARM's spelling of the fields that resources of all types can have.
func canonicalName(name string) string {
	for _, known := range []string{"kind", "sku", "plan", "zones", "managedBy", "extendedLocation"} {
		if arm.SameName(name, known) {
			return known
		}
	}
	return name
}

// Replace returns the record after a PUT: it has the fields of the body and no others. If the type updatesByPut,
// an existing resource keeps its other fields.
func (b ResourceBody) Replace(old resource.Record) (resource.Record, error) {
	if !old.Created.IsZero() && updatesByPut(old.Type) {
		return b.update(old)
	}
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

// Merge returns the record after a PATCH. As in ARM, tags are replaced as a whole; all other fields are
// merged by RFC 7396.
func (b ResourceBody) Merge(old resource.Record) (resource.Record, error) {
	old.Location = b.Location.Value
	b.Tags.Merge(&old.Tags)
	if old.Extra == nil {
		old.Extra = map[string]json.RawMessage{}
	}
	names := fieldNames[json.RawMessage]{object: old.Extra}
	for name, value := range b.Extra {
		name = names.find(name)
		if string(value) == "null" {
			delete(old.Extra, name)
			continue
		}
		whole, err := mergePatch(old.Extra[name], value)
		if err != nil {
			return old, err
		}
		old.Extra[name] = whole
	}
	switch {
	case b.Properties.Null:
		old.Properties, old.UserData = nil, nil
	case b.Properties.Present:
		patch, err := properties(b.Properties.Value)
		if err != nil || patch == nil { // a patch without fields changes nothing
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

// endsUserData reports whether a merge patch sets the user data of a virtual machine or a scale set to null, or
// the object that contains them. User data are sealed and not in the properties that a patch is merged
// into.
func endsUserData(patch json.RawMessage) bool {
	var p struct {
		Profile json.RawMessage `json:"virtualMachineProfile"`
	}
	return json.Unmarshal(patch, &p) != nil || string(p.Profile) == "null" || removesUserData(patch)
}

// removesUserData reports whether properties have null for the user data of a virtual machine or a scale set.
func removesUserData(properties json.RawMessage) bool {
	var p struct {
		UserData json.RawMessage `json:"userData"`
		Profile  json.RawMessage `json:"virtualMachineProfile"`
	}
	if json.Unmarshal(properties, &p) != nil || string(p.UserData) == "null" {
		return true // the properties were encoded by Midas, so they are an object
	}
	p.UserData = nil
	return len(p.Profile) > 0 && json.Unmarshal(p.Profile, &p) == nil && string(p.UserData) == "null"
}

// properties encodes the properties of a body without provisioningState, which the server sets.
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

// EncodeResource encodes a resource and its identities. The provisioning state is a parameter because the
// answer to a write says Creating or Updating, as in Azure, and a later GET says Succeeded.
func EncodeResource(v arm.Version, c identity.Resource, state string) map[string]any {
	out := make(map[string]any, 8+len(c.Extra))
	for name, value := range c.Extra {
		out[name] = value
	}
	out["id"], out["name"], out["type"] = c.ID, c.Name, c.Type
	if c.Location != "" {
		out["location"] = c.Location
	}
	if c.Tags != nil { // as in Azure, tags that were given as {} are shown as {}
		out["tags"] = c.Tags
	}
	if value, shown := encodeIdentity(v, c); shown {
		out["identity"] = value
	}
	if tag := ETag(v, c); tag != "" {
		out["etag"] = tag
	}
	out["properties"] = withState(c.Properties, state)
	return out
}

// ETag is the number of changes of a machine, a scale set or an instance of one, in the api-versions of
// Microsoft.Compute that have etags; for other types, extensions among them, and older versions it is empty.
func ETag(v arm.Version, c identity.Resource) string {
	if !hasETag(c.Type) || v.Compare(etagSince) < 0 || c.Changes == 0 {
		return ""
	}
	return `"` + strconv.Itoa(c.Changes) + `"`
}

// etagSince is the first api-version of Microsoft.Compute with etags.
const etagSince arm.Version = "2024-07-01"

func hasETag(t arm.Type) bool {
	return t.Is(compute.VirtualMachine) || t.Is(compute.ScaleSet) || t.Is(identity.ScaleSetInstance)
}

// withState inserts provisioningState as the first property.
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
