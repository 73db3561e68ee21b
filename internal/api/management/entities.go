package management

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/hierarchy"
	"midas/internal/store"
)

// getEntities lists the groups and subscriptions that the caller may see, with what the caller may do there.
func (h *Handler) getEntities(ctx context.Context, r *Request) (*Response, error) {
	q, err := entityQueryOf(r)
	if err != nil {
		return nil, err
	}
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	var found []wire.Entity
	var next string
	total := 0
	err = h.Store.View(ctx, func(tx store.Tx) error {
		found, next, total, err = h.entities(tx, r, q, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ok(wire.EntityList{List: wire.List[wire.Entity]{Value: found, NextLink: h.nextLink(r, p, next)}, Count: total})
}

// entities returns one page of the entities of a query, the position of the next page, and the number of all.
func (h *Handler) entities(tx store.Tx, r *Request, q entityQuery, p page) ([]wire.Entity, string, int, error) {
	tree, err := h.Hierarchy.Tree(tx, r.Caller.TenantID, r.Caller.TenantID, true)
	if err != nil {
		return nil, "", 0, err
	}
	permissions := map[string]string{} // by the key of the id
	searched := q.searched(tree)
	nodes, err := h.filterNodes(tree.Nodes, func(n hierarchy.Node) (bool, error) {
		word, err := h.permissionsAt(tx, r.Caller, n.ID())
		permissions[n.ID().Key()] = word
		return word != "noaccess" && q.selects(n) && searched(n, word), err
	})
	if err != nil {
		return nil, "", 0, err
	}
	total := len(nodes)
	if q.skip > 0 { // it overrides the token, as on Azure
		sortNodes(nodes)
		nodes, p.after = nodes[min(q.skip, total):], ""
	}
	part, next := pageOf(nodes, p)
	found := []wire.Entity{}
	for _, n := range part {
		above, err := h.Hierarchy.GroupsAbove(tx, r.Caller.TenantID, n.ID())
		if err != nil {
			return nil, "", 0, err
		}
		view := wire.EntityView{TenantID: r.Caller.TenantID, Permissions: permissions[n.ID().Key()], Inherited: "noaccess", Above: above}
		if len(above) > 0 {
			view.Inherited = permissions[above[0].ID().Key()]
		}
		if n.Group != nil {
			view.Children, view.Descendants = tree.Children(n.Group.Name), tree.Descendants(n.Group.Name)
		}
		found = append(found, wire.EncodeEntity(r.Version, n, view))
	}
	return found, next, total, nil
}

// entityQuery selects entities.
type entityQuery struct {
	groups, subscriptions bool
	equal                 string // the folded name; empty means any
	search                string // the folded kind of search relative to the entity of the name; empty means none
	name, display         string // folded parts of the name or of the display name; empty means any
	skip                  int
}

func (q entityQuery) selects(n hierarchy.Node) bool {
	name, display := arm.Fold(n.Name()), arm.Fold(n.DisplayName())
	return (n.Group != nil && q.groups || n.Group == nil && q.subscriptions) &&
		(q.equal == "" || q.search != "" || name == q.equal) && strings.Contains(name, q.name) && strings.Contains(display, q.display)
}

// entityQueryOf reads $view, $filter, groupName, $search and $skip.
func entityQueryOf(r *Request) (entityQuery, error) {
	view := arm.Fold(r.Query.Get("$view"))
	q := entityQuery{groups: view != "subscriptionsonly", subscriptions: view != "groupsonly", equal: arm.Fold(r.Query.Get("groupname"))}
	if !slices.Contains([]string{"", "fullhierarchy", "groupsonly", "subscriptionsonly", "audit"}, view) {
		return q, arm.Errorf(http.StatusBadRequest, "InvalidView",
			"The value '%s' of $view is not supported. Supported are FullHierarchy, GroupsOnly, SubscriptionsOnly and Audit.", clipped(r.Query.Get("$view")))
	}
	if skip := r.Query.Get("$skip"); skip != "" {
		n, err := strconv.Atoi(skip)
		if err != nil || n < 0 {
			return q, arm.Errorf(http.StatusBadRequest, "InvalidSkipParameter", "The value '%s' of $skip is not a number.", clipped(skip))
		}
		q.skip = n
	}
	if filter := r.Query.Get("$filter"); filter != "" {
		if err := q.parse(filter); err != nil {
			return q, err
		}
	}
	return q, q.parseSearch(r.Query.Get("$search"))
}

// parse reads a filter: name eq '…', contains(name, '…') or contains(displayName, '…').
func (q *entityQuery) parse(filter string) error {
	unsupported := arm.Errorf(http.StatusBadRequest, "InvalidFilter",
		"The filter '%s' is not supported. Supported are name eq '…', contains(name, '…') and contains(displayName, '…').", filter)
	folded := strings.TrimSpace(arm.Fold(filter))
	for _, row := range [...]struct {
		before, after string
		into          *string
	}{{"name eq ", "", &q.equal}, {"contains(name,", ")", &q.name}, {"contains(displayname,", ")", &q.display}} {
		rest, begins := strings.CutPrefix(folded, row.before)
		rest, ends := strings.CutSuffix(rest, row.after)
		if !begins || !ends {
			continue
		}
		text, quoted := strings.CutPrefix(strings.TrimSpace(rest), "'")
		text, closed := strings.CutSuffix(text, "'")
		if !quoted || !closed || strings.Contains(strings.ReplaceAll(text, "''", ""), "'") {
			return unsupported
		}
		*row.into = strings.ReplaceAll(text, "''", "'")
		return nil
	}
	return unsupported
}
