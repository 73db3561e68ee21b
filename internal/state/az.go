package state

import (
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/identity"
)

// FromAzure makes an export of what Azure CLI prints as JSON: of az group list, az identity list, az identity
// federated-credential list, az vm list, az vmss list, az resource list, az role assignment list, az role definition
// list, az ad user list, az ad group list. The ids of its subscription and tenant become those of the server that the
// file is applied to.
func FromAzure(files []File) (*Export, error) {
	e := &Export{world: newWorld(), scope: arm.ID{}}
	var assignments []map[string]any
	for _, f := range files {
		var entries []map[string]any
		if err := decodeNumbers(utf8Text(f.Text), &entries); err != nil {
			var one map[string]any
			if decodeNumbers(utf8Text(f.Text), &one) != nil {
				return nil, fmt.Errorf("%s is not the JSON that az prints with -o json: %w", f.Name, err)
			}
			entries = []map[string]any{one}
		}
		for i, entry := range entries {
			id, err := arm.ParseID(textAt(entry, "id"))
			switch typ := arm.Type(textAt(entry, "type")); {
			case typ.Is(typeRoleAssignment):
				assignments = append(assignments, entry)
			case entry["userPrincipalName"] != nil:
				e.world.put(kindUser, arm.Fold(textAt(entry, "userPrincipalName")), entry)
			case typ == "" && entry["securityEnabled"] != nil:
				e.world.put(kindGroup, arm.Fold(textAt(entry, "displayName")), entry)
			case err != nil || id.IsRoot():
				return nil, fmt.Errorf("%s: entry %d has no id of Azure Resource Manager", f.Name, i+1)
			default:
				if err := e.addAzure(id, typ, entry); err != nil {
					return nil, fmt.Errorf("%s: %w", f.Name, err)
				}
			}
		}
	}
	for _, entry := range assignments {
		if err := e.assignAzure(entry); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// own remembers the subscription of an id, and refuses a second one.
func (e *Export) own(id arm.ID) error {
	s := arm.Fold(id.Subscription())
	if e.subscription == "" {
		e.subscription = s
	}
	if s != "" && s != e.subscription {
		return fmt.Errorf("the output is of several subscriptions, %s and %s: export one at a time", e.subscription, s)
	}
	return nil
}

// addAzure adds a resource, and its resource group if that is not there.
func (e *Export) addAzure(id arm.ID, typ arm.Type, entry map[string]any) error {
	if err := e.own(id); err != nil {
		return err
	}
	group := id.GroupScope()
	index := indexOf(kindResourceGroup, group.Key())
	if e.world.entries[index] == nil && !group.IsRoot() {
		e.world.entries[index] = map[string]any{"id": group.String(), "name": group.Name(), "location": entry["location"]}
	}
	entry = nested(entry)
	if tenant := textAt(entry, "properties", "tenantId"); tenant != "" {
		e.tenant = tenant
	}
	switch {
	case id.IsResourceGroup():
		e.world.entries[index] = entry
	case id.Type().Is(identity.Type):
		e.world.put(kindIdentity, id.Key(), entry)
	case id.Type().Is(identity.FederatedType):
		e.world.put(kindFederated, id.Key(), entry)
	case typ.Is(typeRoleDefinition):
		properties, _ := entry["properties"].(map[string]any)
		e.world.labels[arm.Fold(id.Name())] = textAt(properties, "roleName")
		if textAt(properties, "roleType") == "CustomRole" || textAt(properties, "type") == "CustomRole" {
			entry["name"] = id.Name()
			e.world.put(kindCustomRole, arm.Fold(textAt(properties, "roleName")), entry)
		}
	case id.IsResource():
		e.world.put(kindResource, id.Key(), entry)
	}
	return nil
}

// envelope are the members that stand beside the properties of a resource.
var envelope = map[string]bool{
	"id": true, "name": true, "type": true, "location": true, "tags": true, "identity": true, "kind": true, "sku": true, "plan": true,
	"zones": true, "extendedLocation": true, "managedBy": true, "properties": true, "etag": true, "systemData": true,
}

// nested returns an entry with its properties inside of "properties": Azure CLI prints those of many types beside the
// others. What only servers set, and what is null, is left out.
func nested(entry map[string]any) map[string]any {
	out, properties := map[string]any{}, map[string]any{}
	if p, is := entry["properties"].(map[string]any); is {
		properties = p
	}
	for name, value := range entry {
		switch {
		case envelope[name]:
			out[name] = value
		case name == "resourceGroup" || name == "resources" || name == "instanceView" || name == "provisioningState" || name == "createdTime" || name == "changedTime":
		default:
			properties[name] = value
		}
	}
	if block, is := out["identity"].(map[string]any); is && block["type"] == nil {
		delete(out, "identity")
	}
	out["properties"], _ = filled(properties).(map[string]any)
	return out
}

// assignAzure adds a role assignment. A principal that no other file has becomes a user, a group or an application of
// the name that Azure CLI prints.
func (e *Export) assignAzure(entry map[string]any) error {
	scope, err := arm.ParseID(textAt(entry, "scope"))
	if err != nil {
		return fmt.Errorf("the role assignment %s has no scope: it %w", textAt(entry, "id"), err)
	}
	if scope.Subscription() == "" {
		e.note("The role assignment of %s at %s is left out: it is inherited from outside of the subscription.", textAt(entry, "roleDefinitionName"), scope)
		return nil
	}
	if err := e.own(scope); err != nil {
		return err
	}
	principal, name := arm.Fold(textAt(entry, "principalId")), textAt(entry, "principalName")
	if known := e.principalNamed(principal); !known && name != "" {
		made := map[string]any{"id": principal, "displayName": name}
		switch textAt(entry, "principalType") {
		case "User":
			alias, _, _ := strings.Cut(name, "@")
			made["userPrincipalName"], made["displayName"] = alias, alias
			e.world.put(kindUser, arm.Fold(alias), made)
		case "Group":
			e.world.put(kindGroup, arm.Fold(name), made)
		default:
			made["appId"] = principal
			e.world.owners[principal] = principal
			e.world.put(kindApplication, arm.Fold(name), made)
		}
	}
	role := arm.Fold(lastSegment(textAt(entry, "roleDefinitionId")))
	if e.world.labels[role] == "" {
		e.world.labels[role] = textAt(entry, "roleDefinitionName")
	}
	properties := map[string]any{"principalId": principal, "scope": scope.String(), "roleDefinitionId": role}
	for _, name := range []string{"description", "condition", "conditionVersion"} {
		properties[name] = entry[name]
	}
	e.world.assigned[assignmentKey(scope, role, principal)] = map[string]any{"properties": properties}
	return nil
}

func (e *Export) principalNamed(id string) bool {
	for _, known := range e.world.principals {
		if known == id {
			return true
		}
	}
	return false
}
