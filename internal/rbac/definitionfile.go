package rbac

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"midas/internal/arm"
)

// fileRole is a role in a file: in the flattened form of "az role definition list", or in the form of ARM, whose
// fields are below "properties".
type fileRole struct {
	Name             string       `json:"name"`
	RoleName         string       `json:"roleName"`
	RoleType         string       `json:"roleType"`
	Description      string       `json:"description"`
	AssignableScopes []string     `json:"assignableScopes"`
	CreatedOn        string       `json:"createdOn,omitempty"`
	UpdatedOn        string       `json:"updatedOn,omitempty"`
	Permissions      []Permission `json:"permissions"`

	Properties *fileProperties `json:"properties,omitempty"`
}

// fileProperties has the properties of a role in the form of ARM.
type fileProperties struct {
	RoleName         string
	Type             string
	Description      string
	AssignableScopes []string
	CreatedOn        string
	UpdatedOn        string
	Permissions      []Permission
}

// flat returns the flattened form of the role.
func (r fileRole) flat() fileRole {
	if p := r.Properties; p != nil {
		return fileRole{Name: r.Name, RoleName: p.RoleName, RoleType: p.Type, Description: p.Description,
			AssignableScopes: p.AssignableScopes, CreatedOn: p.CreatedOn, UpdatedOn: p.UpdatedOn, Permissions: p.Permissions}
	}
	return r
}

// definition converts a role of a file. Its patterns are not checked.
func (r fileRole) definition() (Definition, error) {
	r = r.flat()
	guid, valid := arm.ParseGUID(r.Name)
	switch {
	case !valid:
		return Definition{}, fmt.Errorf("its name %q is not a GUID", arm.Clip(r.Name))
	case strings.TrimSpace(r.RoleName) == "":
		return Definition{}, errors.New("it has no roleName")
	}
	d := Definition{ID: guid, RoleName: r.RoleName, Description: r.Description, AssignableScopes: r.AssignableScopes, Permissions: r.Permissions}
	switch {
	case arm.SameName(r.RoleType, BuiltInRole):
		d.Type = BuiltInRole
	case arm.SameName(r.RoleType, CustomRole):
		d.Type = CustomRole
	default:
		return Definition{}, fmt.Errorf("its type %q is neither %s nor %s", arm.Clip(r.RoleType), BuiltInRole, CustomRole)
	}
	var err error
	if d.CreatedOn, err = fileDate(r.CreatedOn); err == nil {
		d.UpdatedOn, err = fileDate(r.UpdatedOn)
	}
	return d, err
}

// fileDate parses a date. Old versions of az print none.
func fileDate(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	date, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a date", arm.Clip(text))
	}
	return date.UTC(), nil
}

// decodeLine decodes a role of a library.
func decodeLine(line string) (Definition, error) {
	var r fileRole
	if err := json.Unmarshal([]byte(strings.TrimSuffix(line, ",")), &r); err != nil {
		return Definition{}, err
	}
	return r.definition()
}

// encodeLines returns roles as the text of a library.
func encodeLines(roles []Definition) (string, error) {
	var text strings.Builder
	text.WriteString("[\n")
	for i, d := range roles {
		line, err := json.Marshal(fileRole{
			Name: d.ID, RoleName: d.RoleName, RoleType: d.Type, Description: d.Description, AssignableScopes: d.AssignableScopes,
			CreatedOn: arm.Time(d.CreatedOn), UpdatedOn: arm.Time(d.UpdatedOn), Permissions: d.Permissions,
		})
		if err != nil {
			return "", err
		}
		text.Write(line)
		if i < len(roles)-1 {
			text.WriteByte(',')
		}
		text.WriteByte('\n')
	}
	text.WriteString("]\n")
	return text.String(), nil
}

// The limits of a file of roles. Azure had 897 built-in roles in 2026, and allows 5,000 custom roles.
const (
	MaxDefinitionFile = 16 << 20 // bytes
	maxFileRoles      = 10_000
)

// parseDefinitions parses a file of roles: an array, or an object with the array "value".
func parseDefinitions(file []byte) ([]Definition, error) {
	if len(file) > MaxDefinitionFile {
		return nil, errTooLarge()
	}
	if arm.TooDeep(file) {
		return nil, errors.New("it is nested too deeply")
	}
	items, err := fileItems(file)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 || len(items) > maxFileRoles {
		return nil, fmt.Errorf("it has %d roles, and must have 1 to %d", len(items), maxFileRoles)
	}
	roles, seen := make([]Definition, len(items)), make(map[string]int, len(items))
	for i, item := range items {
		var r fileRole
		if err := json.Unmarshal(item, &r); err != nil {
			return nil, fmt.Errorf("role %d: %w", i+1, err)
		}
		if roles[i], err = r.definition(); err != nil {
			return nil, fmt.Errorf("role %d (%s): %w", i+1, arm.Clip(r.flat().RoleName), err)
		}
		if other, twice := seen[roles[i].ID]; twice {
			return nil, fmt.Errorf("roles %d and %d have the same name %s", other, i+1, roles[i].ID)
		}
		seen[roles[i].ID] = i + 1
	}
	return roles, nil
}

func errTooLarge() error { return fmt.Errorf("it is larger than %d MB", MaxDefinitionFile>>20) }

// fileItems returns the roles of a file, each in its JSON form.
func fileItems(file []byte) ([]json.RawMessage, error) {
	file = bytes.TrimSpace(bytes.TrimPrefix(file, []byte("\xef\xbb\xbf")))
	if !bytes.HasPrefix(file, []byte("{")) {
		var items []json.RawMessage
		if err := json.Unmarshal(file, &items); err != nil {
			return nil, fmt.Errorf("it is no JSON list of roles: %w", err)
		}
		return items, nil
	}
	var answer struct {
		Value    []json.RawMessage
		NextLink string
	}
	if err := json.Unmarshal(file, &answer); err != nil {
		return nil, fmt.Errorf("it is no JSON list of roles: %w", err)
	}
	if answer.NextLink != "" {
		return nil, errors.New("it is the first page of a list (it has a nextLink); all pages are needed")
	}
	return answer.Value, nil
}
