package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"midas/internal/arm"
	"midas/internal/identity"
)

// isTemplate reports whether a document is an ARM template.
func isTemplate(root *yaml.Node) bool {
	return strings.Contains(arm.Fold(textOf(member(root, "$schema"))), "deploymenttemplate.json")
}

// Limits of templates, as in Azure.
const (
	maxTemplateResources = 800
	maxCopies            = 800
)

// template is an ARM template that is being evaluated.
type template struct {
	*builder
	root       *yaml.Node
	group      string // the resource group; empty at the level of subscriptions
	parameters map[string]any
	given      map[string]string
	variables  map[string]any
	evaluating map[string]bool // variables, to find cycles
	index      int             // of copyIndex
	resources  int
	functions  map[string]function
}

// template makes the objects of an ARM template.
func (b *builder) template(root *yaml.Node) {
	t := &template{
		builder: b, root: root, group: b.d.defaults.ResourceGroup, parameters: map[string]any{}, given: b.d.defaults.Parameters,
		variables: map[string]any{}, evaluating: map[string]bool{}, functions: functions(),
	}
	if strings.Contains(arm.Fold(textOf(member(root, "$schema"))), "subscriptiondeploymenttemplate") {
		t.group = ""
	} else if t.group == "" {
		b.wrong(root, "The template is for a resource group: name one with -g.")
		return
	}
	t.context()
	for _, name := range slices.Sorted(maps.Keys(t.given)) {
		if member(member(root, "parameters"), name) == nil {
			b.wrong(root, "The template has no parameter %q.%s", name, suggestion(name, keys(member(root, "parameters"))))
		}
	}
	if list := member(root, "resources"); list != nil {
		t.all(list, "", "")
	}
}

func keys(n *yaml.Node) (names []string) {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		names = append(names, n.Content[i].Value)
	}
	return names
}

// all makes the objects of a list of resources, or of an object whose members are resources. The type and the name of
// nested resources begin with those of their parent.
func (t *template) all(list *yaml.Node, typ, name string) {
	for i, n := range list.Content {
		if list.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		t.copies(n, typ, name)
	}
}

// copies makes the objects of a resource as often as its property copy says.
func (t *template) copies(n *yaml.Node, typ, name string) {
	times := 1
	if loop := member(n, "copy"); loop != nil {
		count, err := t.eval(member(loop, "count"))
		if times, _ = strconv.Atoi(fmt.Sprint(count)); err != nil || times < 0 || times > maxCopies {
			t.wrong(loop, "The count of copy must be a number up to %d.", maxCopies)
			return
		}
	}
	for t.index = range times {
		if t.resources++; t.resources > maxTemplateResources {
			if t.resources == maxTemplateResources+1 {
				t.wrong(n, "The template has more than %d resources.", maxTemplateResources)
			}
			return
		}
		t.one(n, typ, name)
	}
	t.index = 0
}

// one makes the object of a resource.
func (t *template) one(n *yaml.Node, parentType, parentName string) {
	if condition := member(n, "condition"); condition != nil {
		if value, ok := t.evalOrReport(condition); !ok || value == false {
			return
		}
	}
	if textOf(member(n, "existing")) == "true" {
		return
	}
	entry := map[string]any{}
	for _, field := range []string{"type", "name", "location", "tags", "properties", "identity", "kind", "sku", "plan", "zones", "scope", "managedBy", "extendedLocation"} {
		value := member(n, field)
		if value == nil {
			continue
		}
		evaluated, ok := t.evalOrReport(value)
		if !ok {
			return
		}
		entry[field] = evaluated
	}
	typ, name := joinSlash(parentType, fmt.Sprint(entry["type"])), joinSlash(parentName, fmt.Sprint(entry["name"]))
	before := len(t.d.objects)
	t.make(n, typ, name, entry)
	t.depend(n, t.d.objects[before:])
	if children := member(n, "resources"); children != nil {
		t.all(children, typ, name)
	}
}

func joinSlash(a, b string) string {
	if a == "" {
		return b
	}
	return a + "/" + b
}

// depend adds what dependsOn names to what objects need.
func (t *template) depend(n *yaml.Node, made []*object) {
	for _, d := range elements(member(n, "dependsOn")) {
		value, ok := t.evalOrReport(d)
		text, _ := value.(string)
		id, err := arm.ParseID(text)
		if !ok || err != nil || !strings.HasPrefix(text, "/") || strings.HasPrefix(id.TypeKey(), "microsoft.authorization/") || strings.HasPrefix(id.TypeKey(), "microsoft.resources/") {
			continue
		}
		for _, o := range made {
			if r := armReference(id, t.doc.at(d)); r != nil {
				o.uses = append(o.uses, *r)
			}
		}
	}
}

// make makes the object of an evaluated resource, through the own form, so that its rules hold for templates too.
func (t *template) make(n *yaml.Node, typ, name string, entry map[string]any) {
	switch kind := arm.Type(typ); {
	case kind.Is(arm.TypeResourceGroup):
		t.formed(n, "resourceGroups", t.resourceGroup, map[string]any{"name": name}, entry, "location", "tags", "managedBy")
	case kind.Is("Microsoft.Resources/deployments"):
		t.wrong(n, "Nested deployments are not supported: apply their templates one by one.")
	case kind.Is(typeRoleAssignment):
		t.roleAssignmentOf(n, name, entry)
	case kind.Is(typeRoleDefinition):
		t.formed(n, "customRoles", t.customRole, map[string]any{"name": lastSegment(name)}, entry, "properties")
	case t.group == "":
		t.wrong(n, "A resource of the type %q needs a template for a resource group.", arm.Clip(typ))
	case kind.Is(identity.Type):
		t.formed(n, "identities", t.identity, map[string]any{"name": name, "resourceGroup": t.group}, entry, "location", "tags", "properties")
	case kind.Is(identity.FederatedType):
		owner, credential, _ := strings.Cut(name, "/")
		if parent, ok := t.parse(n, t.scopeOfSubscription()+"/resourceGroups/"+t.group+"/providers/"+string(identity.Type)+"/"+owner); ok {
			t.federated(nodeOf(map[string]any{"name": credential, "properties": entry["properties"]}, n), parent, t.group+"/"+owner)
		}
	default:
		t.formed(n, "resources", t.resource, map[string]any{"type": typ, "name": name, "resourceGroup": t.group}, entry,
			"location", "tags", "properties", "identity", "kind", "sku", "plan", "zones", "managedBy", "extendedLocation")
	}
}

// formed checks an evaluated resource as an element of a list of the own form, and makes its object.
func (t *template) formed(n *yaml.Node, list string, build func(*yaml.Node), fields, entry map[string]any, names ...string) {
	for _, name := range names {
		if value, has := entry[name]; has && value != nil && (name != "location" || value != "") { // without one it is that of the resource group
			fields[name] = value
		}
	}
	node := nodeOf(fields, n)
	checker{t.doc, t.findings}.value(node, form().field(list).elem)
	build(node)
}

// roleAssignmentOf makes a role assignment, whose principal may be that of an object that does not exist yet.
func (t *template) roleAssignmentOf(n *yaml.Node, name string, entry map[string]any) {
	properties, _ := entry["properties"].(map[string]any)
	fields := map[string]any{"name": lastSegment(name)}
	rest := maps.Clone(properties)
	switch principal := properties["principalId"].(type) {
	case *later:
		if !principal.whole() {
			t.wrong(n, "principalId must be reference(…).principalId.")
			return
		}
		id, err := arm.ParseID(principal.id)
		if err != nil {
			t.wrong(n, "%q is not an id.", arm.Clip(principal.id))
			return
		}
		what := "resource"
		if id.Type().Is(identity.Type) {
			what = "identity"
		}
		fields["principal"] = map[string]any{what: principal.id}
		delete(rest, "principalId")
	case string:
	default:
		t.wrong(n, "The role assignment has no principalId.")
		return
	}
	delete(rest, "scope")
	fields["properties"] = rest
	scope, _ := entry["scope"].(string)
	switch {
	case strings.HasPrefix(scope, "/"):
	case scope != "" && t.group != "":
		scope = t.scopeOfSubscription() + "/resourceGroups/" + t.group + "/providers/" + scope
	case t.group != "":
		scope = t.scopeOfSubscription() + "/resourceGroups/" + t.group
	default:
		scope = t.scopeOfSubscription()
	}
	fields["scope"] = scope
	node := nodeOf(fields, n)
	checker{t.doc, t.findings}.value(node, form().field("roleAssignments").elem)
	t.roleAssignment(node)
}

// nodeOf returns the node of a value at the place of another node.
func nodeOf(v any, at *yaml.Node) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: at.Line, Column: at.Column}
	switch v := v.(type) {
	case map[string]any:
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
		for _, name := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, nodeOf(name, at), nodeOf(v[name], at))
		}
	case []any:
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		for _, element := range v {
			n.Content = append(n.Content, nodeOf(element, at))
		}
	case string:
		n.Tag, n.Value = "!!str", v
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(v)
	case json.Number:
		n.Tag, n.Value = "!!int", v.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case nil:
		n.Tag, n.Value = "!!null", "null"
	case *later:
		n.Tag, n.Value = "!!str", "reference(…)."+v.path+" can only be the principalId of a role assignment"
	}
	return n
}

// evalOrReport evaluates a node and reports what is wrong with it.
func (t *template) evalOrReport(n *yaml.Node) (any, bool) {
	v, err := t.eval(n)
	var at *errAt
	if errors.As(err, &at) {
		t.wrong(at.node, "%s", sentence(at.cause))
	} else if err != nil {
		t.wrong(n, "%s", sentence(err))
	}
	return v, err == nil
}

// errAt is an error of an expression with its place.
type errAt struct {
	node  *yaml.Node
	cause error
}

func (e *errAt) Error() string { return e.cause.Error() }

// eval returns the value of a node with all its expressions.
func (t *template) eval(n *yaml.Node) (any, error) {
	if n == nil {
		return nil, nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, err := t.eval(n.Content[i])
			if err != nil {
				return nil, err
			}
			v, err := t.eval(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			text, err := textOfValue(name)
			if err != nil {
				return nil, &errAt{n.Content[i], err}
			}
			out[text] = v
		}
		return out, nil
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i := range n.Content {
			v, err := t.eval(n.Content[i])
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	}
	text := n.Value
	switch {
	case n.Tag != "!!str" || !strings.HasPrefix(text, "[") || !strings.HasSuffix(text, "]"):
		return valueOf(n), nil
	case strings.HasPrefix(text, "[["):
		return text[1:], nil
	}
	e := &expression{text: text[1 : len(text)-1], call: t.call, lazy: func(name string) bool { return t.function(name) != nil }}
	v, err := e.evaluate()
	var placed *errAt
	if err != nil && !errors.As(err, &placed) {
		err = &errAt{n, err}
	}
	return v, err
}
