package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"midas/internal/arm"
)

// WithoutSecrets returns a copy of a record without the properties that Azure accepts and never returns:
// passwords, keys, connection strings, protected settings. Midas has no use for them, so it does not store
// them. IsSecretName and typeRules decide which they are. All other properties are unchanged. The argument,
// and what it refers to, is not modified.
func WithoutSecrets(rec Record) (Record, error) {
	if madeHere(rec.Type) {
		return rec, nil
	}
	if isSettings(rec.Type, rec.Name) {
		rec.Properties = nil
		return rec, nil
	}
	s := stripper{rules: rulesOf(rec.Type)}
	rest, _, err := s.strip(nil, rec.Properties)
	if err != nil {
		return rec, fmt.Errorf("properties of %s: %w", rec.ID, err)
	}
	rec.Properties = rest
	if rec.Extra, err = s.stripExtra(rec.Extra); err != nil {
		return rec, fmt.Errorf("fields of %s: %w", rec.ID, err)
	}
	return rec, nil
}

// madeHere reports whether Midas defines all properties of a type, so that none is a secret.
func madeHere(typ arm.Type) bool {
	namespace := typ.Namespace()
	return arm.SameName(namespace, "Microsoft.ManagedIdentity") || arm.SameName(namespace, "Microsoft.Resources")
}

// isSettings reports whether all properties of a resource are secret. This holds for the settings of web
// applications, which Azure returns only to callers with the right to list them.
func isSettings(typ arm.Type, name string) bool {
	known := []arm.Type{
		"Microsoft.Web/sites/config", "Microsoft.Web/sites/slots/config",
		"Microsoft.Web/staticSites/config", "Microsoft.Web/staticSites/builds/config",
	}
	if !slices.ContainsFunc(known, typ.Is) {
		return false
	}
	switch arm.Fold(name) {
	case "appsettings", "functionappsettings", "connectionstrings", "authsettings", "azurestorageaccounts", "backup", "publishingcredentials", "pushsettings":
		return true
	}
	return false
}

// stripper removes secrets from the properties of one type.
type stripper struct {
	rules []string // paths that are secret in this type, besides the names that are secret in all types
	found bool
}

// strip returns a JSON value without its secrets and reports whether it had any. If not, rest is raw.
func (s *stripper) strip(path []string, raw json.RawMessage) (rest json.RawMessage, found bool, err error) {
	if len(raw) == 0 || raw[0] != '{' && raw[0] != '[' {
		return raw, false, nil
	}
	var v any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber() // keeps the spelling of numbers
	if err := decoder.Decode(&v); err != nil {
		return nil, false, fmt.Errorf("decode: %w", err)
	}
	s.found = false
	s.value(path, v)
	if !s.found {
		return raw, false, nil
	}
	if rest, err = json.Marshal(v); err != nil {
		return nil, false, fmt.Errorf("encode: %w", err)
	}
	return rest, true, nil
}

// stripExtra is strip for the fields beside the properties. It does not modify its argument.
func (s *stripper) stripExtra(all map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	var clean map[string]json.RawMessage // a copy, from the first secret on
	for name, raw := range all {
		path := []string{arm.Fold(name)}
		secret := s.secret(path, raw)
		rest, found, err := s.strip(path, raw)
		if err != nil {
			return nil, err
		}
		if !found && !secret {
			continue
		}
		if clean == nil {
			clean = maps.Clone(all)
		}
		if clean[name] = rest; secret {
			delete(clean, name)
		}
	}
	if clean != nil {
		return clean, nil
	}
	return all, nil
}

// value removes the secrets of a decoded JSON value at a path. The path has the folded names of the members of
// objects; elements of arrays add nothing to it.
func (s *stripper) value(path []string, v any) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			s.value(path, element)
		}
	case map[string]any:
		secure := isSecureValue(v)
		for name, member := range v {
			at := append(path[:len(path):len(path)], arm.Fold(name))
			if last := at[len(at)-1]; s.secret(at, member) || secure && (last == "value" || last == "defaultvalue") {
				delete(v, name)
				s.found = true
				continue
			}
			s.value(at, member)
		}
	}
}

// secret reports whether the member at a path is a secret. Booleans, null and empty lists and objects are not,
// because they only say whether there is a secret.
func (s *stripper) secret(path []string, member any) bool {
	switch m := member.(type) {
	case nil, bool:
		return false
	case []any:
		if len(m) == 0 {
			return false
		}
	case map[string]any:
		if len(m) == 0 {
			return false
		}
	case json.RawMessage:
		switch string(m) {
		case "true", "false", "null", "[]", "{}":
			return false
		}
	}
	if IsSecretName(path[len(path)-1]) {
		return true
	}
	return endsIn(path, s.rules)
}

// endsIn reports whether a path ends in one of the rules.
func endsIn(path, rules []string) bool {
	if len(rules) == 0 {
		return false
	}
	joined := "/" + strings.Join(path, "/")
	return slices.ContainsFunc(rules, func(rule string) bool { return strings.HasSuffix(joined, "/"+rule) })
}

// isSecureValue reports whether an object declares that its value is a secret, as in
// {"type": "SecureString", "value": …} or {"name": …, "isSecret": true, "value": …}.
func isSecureValue(object map[string]any) bool {
	for name, v := range object {
		switch v := v.(type) {
		case string:
			if arm.SameName(name, "type") && (arm.SameName(v, "SecureString") || arm.SameName(v, "SecureObject")) {
				return true
			}
		case bool:
			switch arm.Fold(name) {
			case "secret", "issecret", "secure", "issecure", "encrypted", "isencrypted", "sensitive", "issensitive":
				if v {
					return true
				}
			}
		}
	}
	return false
}
