package state

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"midas/internal/arm"
	"midas/internal/compute"
	"midas/internal/identity"
)

// The api-versions of requests.
const (
	versionCore      = "2021-04-01"
	versionIdentity  = "2026-05-31"
	versionFederated = "2025-05-31-preview" // with claims matching expressions
	versionRole      = "2022-04-01"
	versionHost      = "2026-11-01"
	versionResource  = "2024-07-01" // of resources whose declaration names none
	versionTenant    = "2022-12-01"
)

// parallel bounds the concurrent requests of one run.
const parallel = 16

// need is what must be read from the server.
type need struct {
	subscriptions map[string]bool
	types         map[string]bool // folded types of resources
	scopes        map[string]bool // outside of subscriptions, whose role assignments are read
	roles         map[string]bool // names
	kinds         [kinds]bool
	federated     map[string]bool // indexes of identities
	groups        map[string]bool // folded names of groups whose members are read
	apps          map[string]bool // folded names of applications whose federated credentials are read
	hosts         []arm.ID
	managed       bool // the client ids of managed identities
	all           bool // for exports: all types of resources, all members, all credentials
}

func newNeed() *need {
	return &need{subscriptions: map[string]bool{}, types: map[string]bool{}, scopes: map[string]bool{}, roles: map[string]bool{}, federated: map[string]bool{}, groups: map[string]bool{}, apps: map[string]bool{}}
}

// needs returns what must be read to compare a declaration with a server.
func (d *Declaration) needs() *need {
	n := newNeed()
	for _, o := range d.objects {
		n.kinds[o.kind] = true
		n.at(o.id)
		n.at(o.scope)
		for _, r := range append(slices.Clone(o.uses), pointers(o.parent, o.to)...) {
			n.kinds[r.kind] = n.kinds[r.kind] || r.guid == ""
			if id, err := arm.ParseID(r.key); err == nil {
				n.at(id)
			}
		}
		switch o.kind {
		case kindResource:
			n.managed = n.managed || o.fixed[fixedClient].value != ""
		case kindFederated:
			n.federated[indexOf(kindIdentity, o.id.Parent().Key())] = true
		case kindGroup:
			n.groups[o.key] = o.body[membersKey] != nil
			n.kinds[kindUser] = n.kinds[kindUser] || n.groups[o.key] // for the names of members that are removed
		case kindAppFederated:
			n.apps[o.parent.key] = true
		case kindRoleAssignment:
			n.roles[o.role] = true
			if o.scope.Subscription() == "" {
				n.scopes[o.scope.String()] = true
			}
		case kindHost:
			if id, err := arm.ParseID(o.label); err == nil {
				n.at(id)
				n.hosts = append(n.hosts, id)
			}
		}
	}
	return n
}

func pointers(refs ...*reference) (out []reference) {
	for _, r := range refs {
		if r != nil {
			out = append(out, *r)
		}
	}
	return out
}

// at adds what must be read to know whether an id of Resource Manager exists.
func (n *need) at(id arm.ID) {
	for ; !id.IsRoot(); id = id.Parent() {
		if s := id.Subscription(); s != "" {
			n.subscriptions[arm.Fold(s)] = true
		}
		switch r := armReference(id, Position{}); {
		case r == nil:
		case r.kind == kindResource:
			n.types[id.TypeKey()] = true
		default:
			n.kinds[r.kind] = true
		}
	}
}

// read reads what the server has.
func (s *Server) read(ctx context.Context, n *need) (*world, error) {
	w := newWorld()
	if err := s.readTypes(ctx, n); err != nil {
		return nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, part := range []struct {
		wanted bool
		read   func(context.Context, *world, *need) error
	}{
		{n.all || n.kinds[kindUser], s.readUsers},
		{n.all || n.kinds[kindGroup], s.readGroups},
		{n.managed, s.readManaged},
		{n.all || n.kinds[kindApplication], s.readApplications},
		{n.all || n.kinds[kindCustomRole] || len(n.roles) > 0, s.readRoles},
		{n.all || len(n.subscriptions) > 0 || len(n.scopes) > 0, s.readAssignments},
	} {
		if part.wanted {
			g.Go(func() error { return part.read(gctx, w, n) })
		}
	}
	for subscription := range n.subscriptions {
		s.readSubscription(g, gctx, w, n, "/subscriptions/"+subscription)
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return w, s.readBelow(ctx, w, n)
}

// readTypes finds the types of all resources, if all are to be read. The machines of scale sets are made by their sets.
func (s *Server) readTypes(ctx context.Context, n *need) error {
	if !n.all {
		return nil
	}
	for subscription := range n.subscriptions {
		err := s.pages(ctx, "/subscriptions/"+subscription+"/resources?$top=1000&api-version="+versionCore, func(entry map[string]any) {
			typ := arm.Type(textAt(entry, "type"))
			if !typ.Is(identity.Type) && !typ.Is(compute.Instance) {
				n.types[typ.Key()] = true
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readSubscription reads the lists of one subscription.
func (s *Server) readSubscription(g *errgroup.Group, ctx context.Context, w *world, n *need, scope string) {
	list := func(k kind, path string) {
		g.Go(func() error {
			return s.pages(ctx, path, func(entry map[string]any) {
				if id, err := arm.ParseID(textAt(entry, "id")); err == nil {
					w.put(k, id.Key(), entry)
				}
			})
		})
	}
	list(kindResourceGroup, scope+"/resourcegroups?$top=1000&api-version="+versionCore)
	if n.all || n.kinds[kindIdentity] || n.kinds[kindFederated] {
		list(kindIdentity, scope+"/providers/"+string(identity.Type)+"?$top=1000&api-version="+versionIdentity)
	}
	for typ := range n.types {
		if strings.Count(typ, "/") == 1 {
			list(kindResource, scope+"/providers/"+typ+"?$top=1000&api-version="+versionResource)
		}
	}
}

// readBelow reads the lists that each belong to one object: credentials, members, hosts and nested resources.
func (s *Server) readBelow(ctx context.Context, w *world, n *need) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for index, entry := range maps.Clone(w.entries) {
		switch kind := kind(index[0] - 'A'); {
		case kind == kindIdentity && (n.all || n.federated[index]):
			g.Go(func() error { return s.readFederated(ctx, w, entry) })
		case kind == kindGroup && (n.all || n.groups[index[1:]]):
			g.Go(func() error { return s.readMembers(ctx, w, index, entry) })
		case kind == kindApplication && (n.all || n.apps[index[1:]]):
			g.Go(func() error { return s.readAppFederated(ctx, w, index, entry) })
		case kind == kindResource:
			g.Go(func() error { return s.readNested(ctx, w, n, entry) })
		}
	}
	for _, id := range n.hosts {
		if w.entry(armReference(id, Position{}).index()) == nil {
			continue
		}
		g.Go(func() error {
			return s.pages(ctx, armPath(id, "/providers/Midas.Hosts/hosts", versionHost), func(entry map[string]any) { w.put(kindHost, id.Key(), entry) })
		})
	}
	return g.Wait()
}

// readNested reads the resources of wanted types that are nested in a resource.
func (s *Server) readNested(ctx context.Context, w *world, n *need, entry map[string]any) error {
	parent, err := arm.ParseID(textAt(entry, "id"))
	if err != nil {
		return nil
	}
	for typ := range n.types {
		word, nested := strings.CutPrefix(typ, parent.TypeKey()+"/")
		if !nested || strings.Contains(word, "/") {
			continue
		}
		var children []map[string]any
		err := s.pages(ctx, armPath(parent, "/"+word, versionResource), func(entry map[string]any) { children = append(children, entry) })
		if err != nil {
			return err
		}
		for _, child := range children {
			if id, err := arm.ParseID(textAt(child, "id")); err == nil {
				w.put(kindResource, id.Key(), child)
			}
			if err := s.readNested(ctx, w, n, child); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Server) readFederated(ctx context.Context, w *world, entry map[string]any) error {
	parent, err := arm.ParseID(textAt(entry, "id"))
	if err != nil {
		return err
	}
	return s.pages(ctx, armPath(parent, "/"+identity.FederatedTypes, versionFederated), func(entry map[string]any) {
		if id, err := arm.ParseID(textAt(entry, "id")); err == nil {
			w.put(kindFederated, id.Key(), entry)
		}
	})
}

func (s *Server) readUsers(ctx context.Context, w *world, _ *need) error {
	fields := append([]string{"id", "userPrincipalName", "displayName", "accountEnabled", "mailNickname"}, userTexts()...)
	return s.pages(ctx, graphPath+"users?$top=999&$select="+strings.Join(fields, ","), func(entry map[string]any) {
		w.put(kindUser, arm.Fold(textAt(entry, "userPrincipalName")), entry)
		w.name(entry, "userPrincipalName")
	})
}

func (w *world) name(entry map[string]any, property string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.labels[arm.Fold(textAt(entry, "id"))] = textAt(entry, property)
}

func (s *Server) readGroups(ctx context.Context, w *world, _ *need) error {
	return s.pages(ctx, graphPath+"groups?$top=999&$select=id,displayName,description,mailNickname", func(entry map[string]any) {
		w.put(kindGroup, arm.Fold(textAt(entry, "displayName")), entry)
		w.name(entry, "displayName")
	})
}

func (s *Server) readMembers(ctx context.Context, w *world, index string, entry map[string]any) error {
	members := map[string]bool{}
	err := s.pages(ctx, graphPath+"groups/"+textAt(entry, "id")+"/members?$top=999&$select=id", func(member map[string]any) {
		members[arm.Fold(textAt(member, "id"))] = true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members[index] = members
	return err
}

func (s *Server) readApplications(ctx context.Context, w *world, _ *need) error {
	filter := url.QueryEscape("servicePrincipalType eq 'Application'")
	err := s.pages(ctx, graphPath+"servicePrincipals?$top=999&$select=id,appId,displayName&$filter="+filter, func(entry map[string]any) {
		w.mu.Lock()
		w.owners[arm.Fold(textAt(entry, "appId"))] = textAt(entry, "id")
		w.mu.Unlock()
		w.name(entry, "displayName")
	})
	if err != nil {
		return err
	}
	return s.pages(ctx, graphPath+"applications?$top=999", func(entry map[string]any) {
		w.put(kindApplication, arm.Fold(textAt(entry, "displayName")), entry)
		secrets, _ := entry["passwordCredentials"].([]any)
		for _, secret := range secrets {
			if m, is := secret.(map[string]any); is && textAt(m, "displayName") != "" {
				w.mu.Lock()
				w.entries[indexOf(kindSecret, arm.Fold(textAt(entry, "displayName"))+"\x00"+arm.Fold(textAt(m, "displayName")))] = m
				w.mu.Unlock()
			}
		}
	})
}

// readManaged reads the client ids of managed identities, which Resource Manager does not show of system-assigned ones.
func (s *Server) readManaged(ctx context.Context, w *world, _ *need) error {
	filter := url.QueryEscape("servicePrincipalType eq 'ManagedIdentity'")
	return s.pages(ctx, graphPath+"servicePrincipals?$top=999&$select=id,appId&$filter="+filter, func(entry map[string]any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.clients[arm.Fold(textAt(entry, "id"))] = textAt(entry, "appId")
	})
}

func (s *Server) readAppFederated(ctx context.Context, w *world, index string, entry map[string]any) error {
	// claimsMatchingExpression is a property of beta only
	return s.pages(ctx, betaPath+"applications/"+textAt(entry, "id")+"/federatedIdentityCredentials", func(c map[string]any) {
		w.put(kindAppFederated, index[1:]+"\x00"+arm.Fold(textAt(c, "name")), c)
	})
}

// fewRoles is how many names of roles are asked for one by one. The list of all roles has half a megabyte.
const fewRoles = 20

func (s *Server) readRoles(ctx context.Context, w *world, n *need) error {
	const path = "/providers/Microsoft.Authorization/roleDefinitions?api-version=" + versionRole + "&$filter="
	remember := func(entry map[string]any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.roles[arm.Fold(textAt(entry, "properties", "roleName"))] = arm.Fold(textAt(entry, "name"))
		w.labels[arm.Fold(textAt(entry, "name"))] = textAt(entry, "properties", "roleName")
	}
	err := s.pages(ctx, path+url.QueryEscape("type eq 'CustomRole'"), func(entry map[string]any) {
		remember(entry)
		w.put(kindCustomRole, arm.Fold(textAt(entry, "properties", "roleName")), entry)
	})
	if err != nil {
		return err
	}
	if n.all || len(n.roles) > fewRoles {
		return s.pages(ctx, path+url.QueryEscape("type eq 'BuiltInRole'"), remember)
	}
	for name := range n.roles {
		if arm.IsGUID(name) || w.roles[arm.Fold(name)] != "" {
			continue
		}
		filter := url.QueryEscape("roleName eq '" + strings.ReplaceAll(name, "'", "''") + "'")
		if err := s.pages(ctx, path+filter, remember); err != nil {
			return fmt.Errorf("find the role %q: %w", name, err)
		}
	}
	return nil
}

func (s *Server) readAssignments(ctx context.Context, w *world, n *need) error {
	if !n.all && !n.kinds[kindRoleAssignment] {
		return nil
	}
	scopes := map[string]string{}
	for subscription := range n.subscriptions {
		scopes["/subscriptions/"+subscription] = ""
	}
	for scope := range n.scopes {
		scopes[scope] = "&$filter=" + url.QueryEscape("atScope()")
	}
	for _, scope := range slices.Sorted(maps.Keys(scopes)) {
		id, err := arm.ParseID(scope)
		if err != nil {
			return err
		}
		path := armPath(id, "/providers/"+string(typeRoleAssignment), versionRole) + "&$top=1000" + scopes[scope]
		err = s.pages(ctx, path, func(entry map[string]any) {
			at, err := arm.ParseID(textAt(entry, "properties", "scope"))
			if err != nil {
				return
			}
			role := lastSegment(textAt(entry, "properties", "roleDefinitionId"))
			w.mu.Lock()
			defer w.mu.Unlock()
			w.assigned[assignmentKey(at, role, textAt(entry, "properties", "principalId"))] = entry
		})
		if err != nil {
			return err
		}
	}
	return nil
}
