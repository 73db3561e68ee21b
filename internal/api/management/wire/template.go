package wire

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"midas/internal/arm"
	"midas/internal/identity"
)

// ExportBody is the body of exportTemplate.
type ExportBody struct {
	Resources []string `json:"resources"` // ids, or "*" for all
	Options   string   `json:"options"`   // a list with commas
}

// Has reports whether the body has an option.
func (b ExportBody) Has(option string) bool {
	for given := range strings.SplitSeq(b.Options, ",") {
		if arm.SameName(strings.TrimSpace(given), option) {
			return true
		}
	}
	return false
}

// Export is the answer of exportTemplate. The error names the resources that are not in the template.
type Export struct {
	Template Template         `json:"template"`
	Error    *json.RawMessage `json:"error,omitempty"`
}

// Template is a deployment template.
type Template struct {
	Schema         string                       `json:"$schema"`
	ContentVersion string                       `json:"contentVersion"`
	Parameters     map[string]TemplateParameter `json:"parameters"`
	Variables      map[string]any               `json:"variables"`
	Resources      []map[string]any             `json:"resources"`

	names    map[string]string // the parameter of a resource's name, by the key of the resource
	options  ExportBody
	literals bool // names are written as they are, without parameters
}

// TemplateParameter is a parameter for the name of a resource.
type TemplateParameter struct {
	DefaultValue *string `json:"defaultValue"`
	Type         string  `json:"type"`
}

// NewTemplate returns an empty template for a request.
func NewTemplate(b ExportBody) *Template {
	return &Template{
		Schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", ContentVersion: "1.0.0.0",
		Parameters: map[string]TemplateParameter{}, Variables: map[string]any{}, Resources: []map[string]any{},
		names: map[string]string{}, options: b, literals: b.Has("SkipResourceNameParameterization") || b.Has("SkipAllParameterization"),
	}
}

// Add adds a resource with the api-version in which it is to be deployed.
func (t *Template) Add(v arm.Version, c identity.Resource, id arm.ID) error {
	out := map[string]any{"type": c.Type, "apiVersion": v, "name": t.name(id)}
	for name, value := range c.Extra {
		literal, err := literalJSON(value)
		if err != nil {
			return err
		}
		out[name] = literal
	}
	if c.Location != "" {
		out["location"] = c.Location
	}
	if len(c.Tags) > 0 {
		tags := map[string]string{}
		for name, value := range c.Tags {
			tags[name] = literal(value)
		}
		out["tags"] = tags
	}
	if block := templateIdentity(c.Identity); block != nil {
		out["identity"] = block
	}
	properties, err := templateProperties(c)
	if err != nil {
		return err
	}
	if len(properties) > 0 {
		out["properties"] = properties
	}
	if parent := id.Parent(); parent.IsResource() {
		if isChild(id) {
			out["dependsOn"] = []string{"[" + t.resourceID(parent) + "]"}
		} else {
			out["scope"] = "[" + t.resourceID(parent) + "]"
		}
	}
	t.Resources = append(t.Resources, out)
	return nil
}

// isChild reports whether a resource is nested in its parent, and does not extend it.
func isChild(id arm.ID) bool {
	return strings.HasPrefix(id.TypeKey(), id.Parent().TypeKey()+"/")
}

// chain returns the outermost resource of a nested one and the names below it.
func chain(id arm.ID) (outermost arm.ID, below []string) {
	for isChild(id) {
		below = append([]string{id.Name()}, below...)
		id = id.Parent()
	}
	return id, below
}

// name returns the value of a resource's name: an expression with a parameter, or the name itself.
func (t *Template) name(id arm.ID) string {
	outermost, below := chain(id)
	switch {
	case t.literals:
		return literal(strings.Join(append([]string{outermost.Name()}, below...), "/"))
	case len(below) == 0:
		return "[" + t.parameter(outermost) + "]"
	}
	return "[concat(" + t.parameter(outermost) + ", " + quoted("/"+strings.Join(below, "/")) + ")]"
}

// resourceID returns an expression for the id of a resource.
func (t *Template) resourceID(id arm.ID) string {
	outermost, below := chain(id)
	name := quoted(outermost.Name())
	if !t.literals {
		name = t.parameter(outermost)
	}
	words := []string{quoted(string(id.Type())), name}
	for _, name := range below {
		words = append(words, quoted(name))
	}
	return "resourceId(" + strings.Join(words, ", ") + ")"
}

// parameter returns an expression for the parameter of a resource's name, and declares it once.
func (t *Template) parameter(id arm.ID) string {
	name, declared := t.names[id.Key()]
	if !declared {
		typ := string(id.Type())
		base := identifier(typ[strings.LastIndexByte(typ, '/')+1:] + "_" + id.Name() + "_name")
		name = base
		for n := 2; ; n++ {
			if _, taken := t.Parameters[name]; !taken {
				break
			}
			name = base + strconv.Itoa(n)
		}
		p := TemplateParameter{Type: "String"}
		if t.options.Has("IncludeParameterDefaultValue") {
			value := literal(id.Name())
			p.DefaultValue = &value
		}
		t.names[id.Key()], t.Parameters[name] = name, p
	}
	return "parameters(" + quoted(name) + ")"
}

// identifier replaces the characters that a parameter's name cannot have.
func identifier(s string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
}

// quoted returns a string of the language of expressions.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// literal returns a text as a template has it, so that it is never read as an expression.
func literal(s string) string {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return "[" + s
	}
	return s
}

// literalJSON returns a JSON value whose texts are literals.
func literalJSON(raw json.RawMessage) (any, error) {
	var v any
	if err := decodeExactly(raw, &v); err != nil {
		return nil, err
	}
	return literals(v), nil
}

func literals(v any) any {
	switch v := v.(type) {
	case string:
		return literal(v)
	case []any:
		for i := range v {
			v[i] = literals(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = literals(v[name])
		}
	}
	return v
}

// templateIdentity returns the identity block with which a deployment creates the same kind of identity, or nil.
func templateIdentity(m identity.ManagedServiceIdentity) map[string]any {
	if m.Type == "" || m.Type == identity.None {
		return nil
	}
	block := map[string]any{"type": m.Type}
	if len(m.UserAssigned) > 0 {
		assigned := map[string]any{}
		for _, id := range m.UserAssigned {
			assigned[id] = map[string]any{}
		}
		block["userAssignedIdentities"] = assigned
	}
	return block
}

// templateProperties returns the properties that a deployment may set. Those of identities and machines that the
// server sets are left out.
func templateProperties(c identity.Resource) (map[string]any, error) {
	v, err := literalJSON(c.Properties)
	properties, _ := v.(map[string]any)
	if err != nil || properties == nil {
		return nil, err
	}
	if c.Type.Is(identity.Type) {
		maps.DeleteFunc(properties, func(name string, _ any) bool {
			return !slices.Contains([]string{"isolationScope", "assignmentRestrictions"}, name)
		})
	}
	if hasETag(c.Type) {
		for _, name := range []string{"vmId", "uniqueId", "timeCreated"} {
			delete(properties, name)
		}
	}
	return properties, nil
}
