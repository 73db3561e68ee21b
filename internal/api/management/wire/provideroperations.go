package wire

import (
	"slices"
	"strings"

	"midas/internal/arm"
)

// ProviderOperations is the RBAC actions of one provider, as the catalogue of Microsoft.Authorization shows them.
type ProviderOperations struct {
	ID            string             `json:"id"`
	Name          string             `json:"name"`
	Type          arm.Type           `json:"type"`
	DisplayName   string             `json:"displayName"`
	ResourceTypes []TypeOperations   `json:"resourceTypes"`
	Operations    []CatalogOperation `json:"operations"`
}

// TypeOperations is the actions on one resource type.
type TypeOperations struct {
	Name        string             `json:"name"`
	DisplayName string             `json:"displayName"`
	Operations  []CatalogOperation `json:"operations"`
}

// CatalogOperation is one action.
type CatalogOperation struct {
	Name         string `json:"name"`
	DisplayName  string `json:"displayName"`
	Description  string `json:"description"`
	IsDataAction bool   `json:"isDataAction"`
}

// EncodeOperation describes an action in words that are derived from its name.
func EncodeOperation(namespace, name string) OperationInfo {
	resource, verb := actionParts(name)
	operation := map[string]string{"read": "Get", "write": "Create or update", "delete": "Delete"}[verb]
	if operation == "" {
		operation = strings.TrimSuffix(verb, "/action")
	}
	if resource == "" {
		resource = namespace
	}
	return OperationInfo{Name: name, Display: OperationDisplay{
		Provider: namespace, Resource: resource, Operation: operation + " " + resource, Description: operation + " " + resource,
	}}
}

// actionParts splits an action into the path of its resource type and its verb: read, write, delete, or the last
// two words of another action.
func actionParts(name string) (resource, verb string) {
	words := strings.Split(name, "/")[1:]
	n := 1
	if len(words) > 1 && arm.SameName(words[len(words)-1], "action") {
		n = 2
	}
	return strings.Join(words[:len(words)-n], "/"), strings.Join(words[len(words)-n:], "/")
}

// ProviderActions is the actions and the data actions of a provider.
type ProviderActions struct {
	Namespace     string
	Actions, Data []OperationInfo
}

// EncodeProviderOperations encodes the actions of a provider. With expand, those of a resource type are with
// their type; otherwise only the actions of the provider itself are listed, as in Azure.
func EncodeProviderOperations(of ProviderActions, expand bool) ProviderOperations {
	const typ arm.Type = "Microsoft.Authorization/providerOperations"
	out := ProviderOperations{
		ID: "/providers/" + string(typ) + "/" + of.Namespace, Name: of.Namespace, Type: typ, DisplayName: of.Namespace,
		ResourceTypes: []TypeOperations{}, Operations: []CatalogOperation{},
	}
	for i, action := range slices.Concat(of.Actions, of.Data) {
		resource, _ := actionParts(action.Name)
		operation := CatalogOperation{
			Name: action.Name, DisplayName: action.Display.Operation, Description: action.Display.Description, IsDataAction: action.IsDataAction || i >= len(of.Actions),
		}
		if resource == "" {
			out.Operations = append(out.Operations, operation)
			continue
		}
		if !expand {
			continue
		}
		at := slices.IndexFunc(out.ResourceTypes, func(t TypeOperations) bool { return arm.SameName(t.Name, resource) })
		if at < 0 {
			at = len(out.ResourceTypes)
			out.ResourceTypes = append(out.ResourceTypes, TypeOperations{Name: resource, DisplayName: action.Display.Resource})
		}
		out.ResourceTypes[at].Operations = append(out.ResourceTypes[at].Operations, operation)
	}
	return out
}
