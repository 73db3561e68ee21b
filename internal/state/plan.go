package state

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"midas/internal/arm"
)

// Action is what a plan does with an object.
type Action string

// The actions of plans.
const (
	Create Action = "create"
	Change Action = "change"
	Delete Action = "delete"
)

// Step is one change of a plan.
type Step struct {
	Action      Action
	Differences []Difference // of a change

	object *object
	entry  map[string]any // what the server has
	path   string         // of the request that deletes
}

// Line names the object of a step.
func (s *Step) Line() string { return s.object.line() }

// Plan is what must change on a server.
type Plan struct {
	Steps []*Step

	declaration *Declaration
	world       *world
	server      *Server
	secrets     *Secrets
}

// Counts returns the numbers of steps that create, change and delete.
func (p *Plan) Counts() (created, changed, deleted int) {
	for _, s := range p.Steps {
		switch s.Action {
		case Create:
			created++
		case Change:
			changed++
		case Delete:
			deleted++
		}
	}
	return created, changed, deleted
}

// Options of a plan.
type Options struct {
	Prune   string   // the scope in which what is not declared is deleted; empty: nothing is deleted
	Secrets *Secrets // the secrets of earlier runs, to which new ones are added; nil: secrets that servers make are refused
}

// Plan compares a declaration with a server. It reads lists only, and writes nothing. The error is of type Problems if
// the declaration does not fit the server.
func (s *Server) Plan(ctx context.Context, d *Declaration, o Options) (*Plan, error) {
	n := d.needs()
	prune, err := s.pruning(d, o.Prune, n)
	if err != nil {
		return nil, err
	}
	if prune != nil && d.documents == 0 {
		return nil, fmt.Errorf("the files are empty, so all that is in %s would be deleted: declare an empty list, such as resourceGroups: [], if that is meant", o.Prune)
	}
	found := &findings{}
	if err := s.checkSubscriptions(ctx, d, found); err != nil {
		return nil, err
	}
	if err := found.err(); err != nil {
		return nil, err
	}
	w, err := s.read(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("read what the server has: %w", err)
	}
	p := &Plan{declaration: d, world: w, server: s, secrets: o.Secrets}
	if p.secrets == nil {
		p.secrets = NewSecrets()
	}
	for _, object := range d.objects {
		p.check(object, found)
		p.locate(object)
		if step := p.step(object, found); step != nil {
			p.Steps = append(p.Steps, step)
			if o.Secrets == nil && step.Action == Create && object.secret == "" && (object.kind == kindSecret || object.kind == kindHost) {
				found.add(object.at, "The server makes a secret for the %s: name a file for it with --secrets FILE.", object.line())
			}
		}
	}
	if err := p.checkLab(ctx, found); err != nil {
		return nil, fmt.Errorf("ask the laboratory: %w", err)
	}
	p.removeMembers()
	if prune != nil {
		p.prune(prune)
	}
	slices.SortStableFunc(p.Steps, func(a, b *Step) int {
		if a.Action == Delete || b.Action == Delete { // deletions come last, and begin with what depends on others
			return cmp.Or(boolOrder(a.Action == Delete, b.Action == Delete), int(b.object.kind)-int(a.object.kind), strings.Compare(a.object.label, b.object.label))
		}
		return int(a.object.kind) - int(b.object.kind)
	})
	return p, found.err()
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// checkSubscriptions refuses subscriptions that the server does not have.
func (s *Server) checkSubscriptions(ctx context.Context, d *Declaration, found *findings) error {
	if len(d.subscriptions) == 0 {
		return nil
	}
	known := map[string]bool{}
	err := s.pages(ctx, "/subscriptions?api-version="+versionTenant, func(entry map[string]any) {
		known[arm.Fold(textAt(entry, "subscriptionId"))] = true
	})
	for id, at := range d.subscriptions {
		if err == nil && !known[id] {
			found.add(at, "The server has no subscription %q; its own is %s.", id, s.SubscriptionID)
		}
	}
	return err
}

// check reports references to what neither the declaration nor the server has.
func (p *Plan) check(o *object, found *findings) {
	refs := append(slices.Clone(o.uses), pointers(o.parent, o.to)...)
	for _, id := range []arm.ID{o.id, o.scope} {
		if o.kind == kindHost {
			break
		}
		for parent := id; !parent.IsRoot(); parent = parent.Parent() {
			if r := armReference(parent, o.at); r != nil && (parent.Key() != o.id.Key()) {
				refs = append(refs, *r)
			}
		}
	}
	for i, r := range refs {
		if r.guid != "" || slices.ContainsFunc(refs[:i], func(before reference) bool { return before.index() == r.index() }) {
			continue
		}
		switch declared := p.declaration.byIndex[r.index()]; {
		case p.world.ambiguous[r.index()]:
			found.add(r.at, "The server has several objects with the name of the %s %q.", r.kind, r.label)
		case declared == nil && p.world.entry(r.index()) == nil:
			found.add(r.at, "The %s %q is neither declared nor on the server.", r.kind, name(r))
		case r.kind == kindResource && o.to != nil && r.index() == o.to.index():
			p.checkSystemIdentity(r, declared, found)
		}
	}
	if p.world.ambiguous[o.index()] {
		found.add(o.at, "The server has several objects that could be the %s.", o.line())
	}
}

// checkSystemIdentity reports a principal that is a resource without a system-assigned identity.
func (p *Plan) checkSystemIdentity(r reference, declared *object, found *findings) {
	kind := textAt(p.world.entry(r.index()), "identity", "type")
	if declared != nil && declared.body["identity"] != nil {
		kind = textAt(declared.body, "identity", "type")
	}
	if system, _, err := identityTypes(kind); err != nil || !system {
		found.add(r.at, "The %s has no system-assigned identity.", r.label)
	}
}

// name is what a message calls the target of a reference.
func name(r reference) string {
	_, after, found := strings.Cut(r.label, " ")
	if !found || strings.HasPrefix(r.label, "/") {
		return r.label
	}
	return after
}

// locate gives an object that is new, and that has no location, that of its file or of its resource group.
func (p *Plan) locate(o *object) {
	if o.kind != kindResourceGroup && o.kind != kindIdentity && o.kind != kindResource || o.body["location"] != nil {
		return
	}
	if p.world.entry(o.index()) != nil {
		return
	}
	location := p.declaration.located[o]
	if group := armReference(o.id.GroupScope(), o.at); location == "" && group != nil && o.kind != kindResourceGroup {
		if declared := p.declaration.byIndex[group.index()]; declared != nil {
			p.locate(declared)
			location = textAt(declared.body, "location")
		}
		if location == "" {
			location = textAt(p.world.entry(group.index()), "location")
		}
	}
	if location != "" {
		o.body["location"] = location
	}
}

// step returns what must be done for an object, or nil.
func (p *Plan) step(o *object, found *findings) *Step {
	switch o.kind {
	case kindMember:
		group, member := p.world.members[o.parent.index()], p.world.principal(o.to)
		if member != "" && group[member] {
			return nil
		}
		return &Step{Action: Create, object: o}
	case kindRoleAssignment:
		return p.assignmentStep(o, found)
	case kindHost:
		if p.world.entry(o.index()) != nil || p.secrets.hasHost(o.key) {
			return nil
		}
		return &Step{Action: Create, object: o}
	}
	entry := p.world.entry(o.index())
	if entry == nil {
		if o.kind == kindResourceGroup && o.body["location"] == nil {
			found.add(o.at, "The resource group %q is new and needs a \"location\".", o.label)
		}
		return &Step{Action: Create, object: o}
	}
	differences := compare(compared(o), entry)
	if o.kind == kindApplication && p.world.principals[o.index()] == "" {
		differences = append(differences, Difference{Path: "servicePrincipal", To: "of the application"})
	}
	for _, d := range differences {
		if d.Path == "location" {
			found.add(o.at, "The %s is in %v and cannot be moved to %v; delete it first.", o.line(), d.From, d.To)
		}
	}
	p.checkIDs(o, entry, found)
	if o.kind == kindCustomRole {
		o.guid = textAt(entry, "name")
	}
	if len(differences) == 0 {
		return nil
	}
	return &Step{Action: Change, Differences: differences, object: o, entry: entry}
}

func (p *Plan) assignmentStep(o *object, found *findings) *Step {
	role := p.role(o.role)
	if role == "" {
		if p.declaration.byIndex[indexOf(kindCustomRole, arm.Fold(o.role))] == nil {
			found.add(o.at, "There is no role %q.", o.role)
			return nil
		}
		return &Step{Action: Create, object: o}
	}
	principal := p.world.principal(o.to)
	if principal == "" {
		return &Step{Action: Create, object: o}
	}
	entry := p.world.assigned[assignmentKey(o.scope, role, principal)]
	if entry == nil {
		return &Step{Action: Create, object: o}
	}
	entry[matchedKey] = true
	p.checkIDs(o, entry, found)
	if differences := compare(o.body, entry); len(differences) > 0 {
		return &Step{Action: Change, Differences: differences, object: o, entry: entry}
	}
	return nil
}

// matchedKey marks the role assignments of the server that are declared.
const matchedKey = "\x00matched"

// role returns the GUID of a role that exists, or nothing.
func (p *Plan) role(role string) string {
	if arm.IsGUID(role) {
		return arm.Fold(role)
	}
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	return p.world.roles[arm.Fold(role)]
}

// removeMembers adds steps that remove the members that groups must not have.
func (p *Plan) removeMembers() {
	wanted := map[string]map[string]bool{}
	for _, o := range p.declaration.objects {
		if o.kind == kindMember {
			if wanted[o.parent.index()] == nil {
				wanted[o.parent.index()] = map[string]bool{}
			}
			wanted[o.parent.index()][p.world.principal(o.to)] = true
		}
	}
	for _, o := range p.declaration.objects {
		if o.kind != kindGroup || o.body[membersKey] == nil {
			continue
		}
		for member := range p.world.members[o.index()] {
			if !wanted[o.index()][member] {
				p.Steps = append(p.Steps, &Step{
					Action: Delete, path: graphPath + "groups/" + textAt(p.world.entry(o.index()), "id") + "/members/" + member + "/$ref",
					object: &object{kind: kindMember, key: o.key + "\x00" + member, label: p.world.who(member) + " of " + o.label},
				})
			}
		}
	}
}

// who names a principal for people.
func (w *world) who(id string) string {
	if name := w.labels[arm.Fold(id)]; name != "" {
		return name
	}
	return id
}
