package wire

import (
	"midas/internal/arm"
	"midas/internal/hierarchy"
)

// SubscriptionBelow is a subscription below a management group.
type SubscriptionBelow struct {
	ID         string                      `json:"id"`
	Type       string                      `json:"type"`
	Name       string                      `json:"name"`
	Properties subscriptionBelowProperties `json:"properties"`
}

type subscriptionBelowProperties struct {
	Tenant      string      `json:"tenant"`
	DisplayName string      `json:"displayName"`
	Parent      parentGroup `json:"parent"`
	State       string      `json:"state"`
}

// EncodeSubscriptionBelow encodes a subscription below a group.
func EncodeSubscriptionBelow(g hierarchy.Group, n hierarchy.Node) SubscriptionBelow {
	state := n.Subscription.State
	if state == "Enabled" {
		state = "Active" // as this provider calls it
	}
	return SubscriptionBelow{
		ID: g.ID().String() + "/subscriptions/" + n.Name(), Type: string(hierarchy.SubscriptionType), Name: n.Name(),
		Properties: subscriptionBelowProperties{
			Tenant: n.Subscription.TenantID, DisplayName: n.DisplayName(), State: state,
			Parent: parentGroup{ID: g.ID().String(), Name: g.Name, DisplayName: g.DisplayName},
		},
	}
}

// Descendant is a group or a subscription anywhere below a management group.
type Descendant struct {
	ID         string               `json:"id"`
	Type       string               `json:"type"`
	Name       string               `json:"name"`
	Properties descendantProperties `json:"properties"`
}

type descendantProperties struct {
	DisplayName string      `json:"displayName"`
	Parent      parentGroup `json:"parent"`
}

// EncodeDescendant encodes a descendant whose parent has the given id.
func EncodeDescendant(v arm.Version, n hierarchy.Node, parent arm.ID) Descendant {
	d := Descendant{ID: n.ID().String(), Type: string(hierarchy.SubscriptionType), Name: n.Name(),
		Properties: descendantProperties{DisplayName: n.DisplayName(), Parent: parentGroup{ID: parent.String()}}}
	if n.Group != nil {
		d.Type = groupType(v)
	}
	return d
}

// Entity is a group or a subscription in the answer to getEntities.
type Entity struct {
	ID         string           `json:"id"`
	Type       string           `json:"type"`
	Name       string           `json:"name"`
	Properties entityProperties `json:"properties"`
}

type entityProperties struct {
	TenantID       string       `json:"tenantId"`
	DisplayName    string       `json:"displayName"`
	Parent         *parentGroup `json:"parent"`
	Permissions    string       `json:"permissions"`
	Inherited      string       `json:"inheritedPermissions"`
	Descendants    int          `json:"numberOfDescendants"`
	Children       int          `json:"numberOfChildren"`
	ChildGroups    int          `json:"numberOfChildGroups"`
	ParentNames    []string     `json:"parentNameChain"`
	ParentDisplays []string     `json:"parentDisplayNameChain"`
}

// EntityList is the answer to getEntities.
type EntityList struct {
	List[Entity]
	Count int `json:"count"`
}

// EntityView is what an entity needs besides its node.
type EntityView struct {
	TenantID    string
	Permissions string            // delete, edit, view or noaccess
	Inherited   string            // of the parent
	Above       []hierarchy.Group // nearest first
	Descendants int
	Children    []hierarchy.Node
}

// EncodeEntity encodes an entity.
func EncodeEntity(v arm.Version, n hierarchy.Node, view EntityView) Entity {
	e := Entity{ID: n.ID().String(), Type: "/subscriptions", Name: n.Name(), Properties: entityProperties{
		TenantID: view.TenantID, DisplayName: n.DisplayName(), Permissions: view.Permissions, Inherited: view.Inherited,
		Descendants: view.Descendants, Children: len(view.Children), ParentNames: []string{}, ParentDisplays: []string{},
	}}
	if n.Group != nil {
		e.Type = groupType(v)
	}
	for _, child := range view.Children {
		if child.Group != nil {
			e.Properties.ChildGroups++
		}
	}
	for i := len(view.Above) - 1; i >= 0; i-- {
		e.Properties.ParentNames = append(e.Properties.ParentNames, view.Above[i].Name)
		e.Properties.ParentDisplays = append(e.Properties.ParentDisplays, view.Above[i].DisplayName)
	}
	e.Properties.Parent = &parentGroup{}
	if len(view.Above) > 0 {
		e.Properties.Parent.ID = view.Above[0].ID().String()
	}
	return e
}

// HierarchySettings are the settings of a tenant's hierarchy.
type HierarchySettings struct {
	ID         string                      `json:"id"`
	Type       string                      `json:"type"`
	Name       string                      `json:"name"`
	Properties hierarchySettingsProperties `json:"properties"`
}

type hierarchySettingsProperties struct {
	TenantID             string `json:"tenantId"`
	RequireAuthorization bool   `json:"requireAuthorizationForGroupCreation"`
	DefaultGroup         string `json:"defaultManagementGroup"`
}

// EncodeHierarchySettings encodes the settings of a tenant. defaultGroup is the id of a group.
func EncodeHierarchySettings(tenant string, root, defaultGroup arm.ID, s hierarchy.Settings) HierarchySettings {
	return HierarchySettings{
		ID: root.String() + "/settings/default", Type: string(hierarchy.SettingsType), Name: "default",
		Properties: hierarchySettingsProperties{TenantID: tenant, RequireAuthorization: s.RequireAuthorization, DefaultGroup: defaultGroup.String()},
	}
}

// HierarchySettingsBody is the body of PUT and PATCH of the settings.
type HierarchySettingsBody struct {
	Properties struct {
		RequireAuthorization *bool   `json:"requireAuthorizationForGroupCreation"`
		DefaultGroup         *string `json:"defaultManagementGroup"`
	} `json:"properties"`
}

// NameAvailability is the answer to checkNameAvailability.
type NameAvailability struct {
	Available bool    `json:"nameAvailable"`
	Reason    *string `json:"reason"`
	Message   *string `json:"message"`
}

// TenantBackfill is the answer about the creation of the root group, which always exists.
type TenantBackfill struct {
	TenantID string `json:"tenantId"`
	Status   string `json:"status"`
}
