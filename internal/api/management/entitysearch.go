package management

import (
	"net/http"

	"midas/internal/arm"
	"midas/internal/hierarchy"
)

// The folded values of $search. Each is relative to the entity that groupName or $filter names. Source: Azure's
// description of getEntities.
const (
	searchParents          = "allowedparents"
	searchChildren         = "allowedchildren"
	searchGroupAndChildren = "parentandfirstlevelchildren"
	searchGroup            = "parentonly"
	searchFirstLevel       = "childrenonly"
)

// parseSearch reads $search.
func (q *entityQuery) parseSearch(search string) error {
	switch q.search = arm.Fold(search); q.search {
	case "":
		return nil
	case searchParents, searchChildren, searchGroupAndChildren, searchGroup, searchFirstLevel:
	default:
		return arm.Errorf(http.StatusBadRequest, "InvalidSearch",
			"The value '%s' of $search is not supported. Supported are AllowedParents, AllowedChildren, ParentAndFirstLevelChildren, ParentOnly and ChildrenOnly.", clipped(search))
	}
	if q.equal == "" {
		return arm.Errorf(http.StatusBadRequest, "InvalidSearch", "$search needs the name of an entity in groupName or in $filter=name eq '…'.")
	}
	return nil
}

// searched returns whether $search selects an entity on which the caller has the permissions of a word.
func (q entityQuery) searched(tree hierarchy.Tree) func(n hierarchy.Node, word string) bool {
	parents := map[string]string{} // of groups, by folded names; a subscription may have the name of a group
	for _, n := range tree.Nodes {
		if n.Group != nil {
			parents[arm.Fold(n.Name())] = n.Parent
		}
	}
	within := func(name, group string) bool { // the hierarchy has no cycle
		for name != group && name != "" {
			name = parents[name]
		}
		return name == group
	}
	return func(n hierarchy.Node, word string) bool {
		name := arm.Fold(n.Name())
		changes := word == "edit" || word == "delete"
		switch q.search {
		case searchParents:
			return n.Group != nil && changes && !within(name, q.equal)
		case searchChildren:
			return changes && !within(q.equal, name)
		case searchGroup:
			return name == q.equal
		case searchFirstLevel:
			return n.Parent == q.equal
		case searchGroupAndChildren:
			return name == q.equal || n.Parent == q.equal
		}
		return true
	}
}
