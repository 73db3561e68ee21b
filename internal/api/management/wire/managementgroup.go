package wire

import (
	"strings"

	"midas/internal/arm"
	"midas/internal/hierarchy"
)

// shortTypeSince is the first version of Microsoft.Management whose types do not begin with "/providers/".
const shortTypeSince arm.Version = "2020-05-01"

// groupType spells the type of management groups as a version does.
func groupType(v arm.Version) string {
	if atLeast(v, shortTypeSince) {
		return string(hierarchy.Type)
	}
	return "/providers/" + string(hierarchy.Type)
}

// ManagementGroup is a management group in an answer.
type ManagementGroup struct {
	ID         string                    `json:"id"`
	Type       string                    `json:"type"`
	Name       string                    `json:"name"`
	Status     string                    `json:"status,omitempty"` // of an operation
	Properties ManagementGroupProperties `json:"properties"`
}

// ManagementGroupProperties are the properties of a management group.
type ManagementGroupProperties struct {
	TenantID    string                  `json:"tenantId"`
	DisplayName string                  `json:"displayName"`
	Details     *managementGroupDetails `json:"details,omitempty"`
	Children    []ManagementGroupChild  `json:"children,omitempty"`
}

type managementGroupDetails struct {
	Version        int                 `json:"version"`
	UpdatedTime    string              `json:"updatedTime"`
	UpdatedBy      string              `json:"updatedBy,omitempty"`
	Parent         *parentGroup        `json:"parent,omitempty"`
	Path           []ManagementGroupAt `json:"path,omitempty"`
	Ancestors      []string            `json:"managementGroupAncestors,omitempty"`
	AncestorsChain []ManagementGroupAt `json:"managementGroupAncestorsChain,omitempty"`
}

type parentGroup struct {
	ID          string `json:"id"`
	Name        string `json:"name,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
}

// ManagementGroupAt is one step of the path to a management group.
type ManagementGroupAt struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
}

// ManagementGroupChild is a group or a subscription below a management group.
type ManagementGroupChild struct {
	Type        string                 `json:"type"`
	ID          string                 `json:"id"`
	Name        string                 `json:"name"`
	DisplayName string                 `json:"displayName"`
	Children    []ManagementGroupChild `json:"children,omitempty"`
}

// ManagementGroupInfo is a management group in a list.
type ManagementGroupInfo struct {
	ID         string                    `json:"id"`
	Type       string                    `json:"type"`
	Name       string                    `json:"name"`
	Properties ManagementGroupProperties `json:"properties"`
}

// EncodeManagementGroupInfo encodes a management group for a list.
func EncodeManagementGroupInfo(v arm.Version, g hierarchy.Group) ManagementGroupInfo {
	return ManagementGroupInfo{ID: g.ID().String(), Type: groupType(v), Name: g.Name,
		Properties: ManagementGroupProperties{TenantID: g.TenantID, DisplayName: g.DisplayName}}
}

// EncodeManagementGroup encodes a management group. above are the groups above it, nearest first.
func EncodeManagementGroup(v arm.Version, g hierarchy.Group, above []hierarchy.Group) ManagementGroup {
	details := &managementGroupDetails{Version: g.Version, UpdatedTime: arm.Time(g.UpdatedOn), UpdatedBy: g.UpdatedBy}
	if len(above) > 0 {
		parent := above[0]
		details.Parent = &parentGroup{ID: parent.ID().String(), Name: parent.Name, DisplayName: parent.DisplayName}
	}
	return ManagementGroup{ID: g.ID().String(), Type: groupType(v), Name: g.Name,
		Properties: ManagementGroupProperties{TenantID: g.TenantID, DisplayName: g.DisplayName, Details: details}}
}

// Expand adds what $expand asks for: "path" the groups from the root group to the group, "ancestors" the groups from
// the parent to the root group.
func (m *ManagementGroup) Expand(what string, g hierarchy.Group, above []hierarchy.Group) {
	d := m.Properties.Details
	switch {
	case arm.SameName(what, "path"):
		for i := len(above) - 1; i >= 0; i-- {
			d.Path = append(d.Path, ManagementGroupAt{above[i].Name, above[i].DisplayName})
		}
		d.Path = append(d.Path, ManagementGroupAt{g.Name, g.DisplayName})
	case arm.SameName(what, "ancestors"):
		for _, up := range above {
			d.Ancestors = append(d.Ancestors, up.Name)
			d.AncestorsChain = append(d.AncestorsChain, ManagementGroupAt{up.Name, up.DisplayName})
		}
	}
}

// EncodeChildren encodes the children of a group, and with recurse theirs.
func EncodeChildren(v arm.Version, t hierarchy.Tree, group string, recurse bool) []ManagementGroupChild {
	var all []ManagementGroupChild
	for _, n := range t.Children(group) {
		child := ManagementGroupChild{Type: "/subscriptions", ID: n.ID().String(), Name: n.Name(), DisplayName: n.DisplayName()}
		if n.Group != nil {
			if child.Type = groupType(v); recurse {
				child.Children = EncodeChildren(v, t, n.Group.Name, true)
			}
		}
		all = append(all, child)
	}
	return all
}

// GroupOperation is an operation on a management group that a client polls.
type GroupOperation struct {
	ID         string                     `json:"id"`
	Type       string                     `json:"type,omitempty"`
	Name       string                     `json:"name"`
	Status     string                     `json:"status"`
	Properties *ManagementGroupProperties `json:"properties,omitempty"`
}

// EncodeGroupStarted encodes the answer to a request that has begun an operation on a group.
func EncodeGroupStarted(v arm.Version, id arm.ID) GroupOperation {
	return GroupOperation{ID: id.String(), Type: groupType(v), Name: id.Name(), Status: "NotStarted"}
}

// ManagementGroupBody is the body of PUT and PATCH of a management group. PATCH has the properties of the second
// block at its top.
type ManagementGroupBody struct {
	Name       *string `json:"name"`
	Properties struct {
		DisplayName *string `json:"displayName"`
		Details     struct {
			Parent struct {
				ID *string `json:"id"`
			} `json:"parent"`
		} `json:"details"`
	} `json:"properties"`

	DisplayName   *string `json:"displayName"`
	ParentGroupID *string `json:"parentGroupId"`
	ParentID      *string `json:"parentId"` // of versions before 2020-02-01
}

// ParentGroup returns the parent in a body, and whether there is one.
func (b ManagementGroupBody) ParentGroup() (name string, given bool, err error) {
	for _, id := range []*string{b.Properties.Details.Parent.ID, b.ParentGroupID, b.ParentID} {
		if id != nil && *id != "" {
			name, err := GroupName("parent", *id)
			return name, true, err
		}
	}
	return "", false, nil
}

// GroupName returns the name of a management group in a body, whose property has the group's id or, as the Azure
// CLI sends it, its name.
func GroupName(property, id string) (string, error) {
	parsed, err := arm.ParseID(id)
	switch {
	case err == nil && hierarchy.IsGroup(parsed):
		return parsed.Name(), nil
	case !strings.Contains(id, "/") && hierarchy.CheckName(id) == nil:
		return id, nil
	}
	return "", arm.ErrInvalidContent("The property '%s' is not the id of a management group", property)
}
