package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"midas/internal/arm"
)

// context adds the functions that depend on the template and on where it is deployed.
func (t *template) context() {
	groupID := t.scopeOfSubscription() + "/resourceGroups/" + t.group
	maps.Copy(t.functions, map[string]function{
		"parameters": func(a []any) (any, error) { return t.parameter(fmt.Sprint(arg(a, 0))) },
		"variables":  func(a []any) (any, error) { return t.variable(fmt.Sprint(arg(a, 0))) },
		"copyIndex": func(a []any) (any, error) {
			offset := 0
			for _, v := range a {
				if n, is := v.(json.Number); is {
					offset, _ = strconv.Atoi(n.String()) // it was read as a number
				}
			}
			return json.Number(strconv.Itoa(t.index + offset)), nil
		},
		"subscription": func([]any) (any, error) {
			return map[string]any{"id": t.scopeOfSubscription(), "subscriptionId": t.subscription, "tenantId": t.d.defaults.TenantID}, nil
		},
		"tenant": func([]any) (any, error) { return map[string]any{"tenantId": t.d.defaults.TenantID}, nil },
		"resourceGroup": func([]any) (any, error) {
			if t.group == "" {
				return nil, errors.New("resourceGroup() is only for templates for a resource group")
			}
			return map[string]any{"id": groupID, "name": t.group, "location": t.groupLocation(groupID)}, nil
		},
		"deployment": func([]any) (any, error) {
			return map[string]any{"name": "midas-apply", "location": "global"}, nil
		},
		"resourceId": func(a []any) (any, error) { return t.resourceIDOf(a) },
		"subscriptionResourceId": func(a []any) (any, error) {
			if s := fmt.Sprint(arg(a, 0)); arm.IsGUID(s) {
				return typedID("/subscriptions/"+s, a[1:])
			}
			return typedID(t.scopeOfSubscription(), a)
		},
		"reference": func(a []any) (any, error) {
			id, err := t.idOf(fmt.Sprint(arg(a, 0)))
			return &later{id: id}, err
		},
	})
}

// groupLocation is the location of the template's resource group, if a file declares it.
func (t *template) groupLocation(id string) string {
	parsed, err := arm.ParseID(id)
	if err != nil {
		return t.location
	}
	if declared := t.d.byIndex[indexOf(kindResourceGroup, parsed.Key())]; declared != nil {
		return cmpText(textAt(declared.body, "location"), t.d.located[declared])
	}
	return t.d.defaults.Location
}

func cmpText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// function returns a function by its name without case, or nil.
func (t *template) function(name string) function {
	for known, f := range t.functions {
		if arm.SameName(known, name) {
			return f
		}
	}
	return nil
}

func (t *template) call(name string, args []any) (any, error) {
	f := t.function(name)
	if f == nil {
		return nil, &errUnknownFunction{name, slices.Sorted(maps.Keys(t.functions))}
	}
	return f(args)
}

// parameter returns the value of a parameter: the one that was given, or its default.
func (t *template) parameter(name string) (any, error) {
	declared := memberFold(member(t.root, "parameters"), name)
	if declared == nil {
		return nil, fmt.Errorf("the template has no parameter %q.%s", name, suggestion(name, keys(member(t.root, "parameters"))))
	}
	for given, value := range t.given {
		if arm.SameName(given, name) {
			return typedParameter(textOf(member(declared, "type")), value)
		}
	}
	fallback := member(declared, "defaultValue")
	if fallback == nil {
		return nil, fmt.Errorf("the parameter %q has no value: give it with --parameter %s=VALUE", name, name)
	}
	return t.once("parameter "+name, func() (any, error) { return t.eval(fallback) })
}

// typedParameter converts a text to the type of a parameter.
func typedParameter(typ, value string) (any, error) {
	switch arm.Fold(typ) {
	case "int", "bool", "array", "object":
		var v any
		if err := decodeNumbers([]byte(value), &v); err != nil {
			return nil, fmt.Errorf("%q is not a value of the type %s", arm.Clip(value), typ)
		}
		return v, nil
	}
	return value, nil
}

func (t *template) variable(name string) (any, error) {
	declared := memberFold(member(t.root, "variables"), name)
	if declared == nil {
		return nil, fmt.Errorf("the template has no variable %q.%s", name, suggestion(name, keys(member(t.root, "variables"))))
	}
	return t.once("variable "+name, func() (any, error) { return t.eval(declared) })
}

// once evaluates a name once, and finds names that depend on themselves.
func (t *template) once(name string, eval func() (any, error)) (any, error) {
	key := arm.Fold(name)
	if v, known := t.variables[key]; known {
		return v, nil
	}
	if t.evaluating[key] {
		return nil, fmt.Errorf("the %s depends on itself", name)
	}
	t.evaluating[key] = true
	defer delete(t.evaluating, key)
	v, err := eval()
	if err == nil {
		t.variables[key] = v
	}
	return v, err
}

// resourceIDOf is the template function resourceId([subscription], [group], type, names…).
func (t *template) resourceIDOf(args []any) (any, error) {
	texts, err := textsOf(args)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(texts, func(s string) bool { return strings.Contains(s, "/") })
	scope := t.scopeOfSubscription()
	switch {
	case at < 0:
		return nil, errors.New("resourceId needs a resource type")
	case at == 2:
		scope = "/subscriptions/" + texts[0] + "/resourceGroups/" + texts[1]
	case at == 1 && arm.IsGUID(texts[0]):
		scope = "/subscriptions/" + texts[0]
	case at == 1:
		scope += "/resourceGroups/" + texts[0]
	case t.group != "":
		scope += "/resourceGroups/" + t.group
	}
	if at == 0 && arm.Type(texts[0]).Is(arm.TypeResourceGroup) && len(texts) == 2 {
		return t.scopeOfSubscription() + "/resourceGroups/" + texts[1], nil
	}
	return typedID(scope, args[at:])
}

// idOf returns the id of what reference() names: an id, the symbolic name of a resource, or its name.
func (t *template) idOf(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return name, nil
	}
	list := member(t.root, "resources")
	for i := 0; list != nil && i < len(list.Content); i++ {
		n := list.Content[i]
		if n.Kind != 0 && n.Value == "" && n.Content != nil {
			symbol := ""
			if i > 0 && list.Content[i-1].Value != "" {
				symbol = list.Content[i-1].Value
			}
			own, err := t.eval(member(n, "name"))
			if err != nil || own != name && symbol != name {
				continue
			}
			id, err := t.resourceIDOf(append([]any{textOf(member(n, "type"))}, splitNames(fmt.Sprint(own))...))
			text, _ := id.(string)
			return text, err
		}
	}
	return "", fmt.Errorf("the template has no resource %q", arm.Clip(name))
}

func splitNames(name string) (names []any) {
	for part := range strings.SplitSeq(name, "/") {
		names = append(names, part)
	}
	return names
}
