package state

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"midas/internal/arm"
)

// Load reads files. The error is of type Problems and has all mistakes that can be found without a server.
func Load(files []File, defaults Defaults) (*Declaration, error) {
	d := &Declaration{byIndex: map[string]*object{}, defaults: defaults, subscriptions: map[string]Position{}, located: map[*object]string{}}
	found := &findings{}
	table := form()
	for _, f := range files {
		for _, doc := range documents(f, found) {
			d.documents++
			substitute(doc.root, defaults)
			b := &builder{findings: found, doc: &doc, d: d, subscription: defaults.SubscriptionID}
			if isTemplate(doc.root) {
				b.template(doc.root)
				continue
			}
			checker{&doc, found}.value(doc.root, table)
			b.build(doc.root)
		}
	}
	d.link(found)
	return d, found.err()
}

// substitute replaces ${subscriptionId} and ${tenantId} in all texts of a tree.
func substitute(n *yaml.Node, defaults Defaults) {
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "${") {
		n.Value = strings.NewReplacer("${subscriptionId}", defaults.SubscriptionID, "${tenantId}", defaults.TenantID).Replace(n.Value)
	}
	for _, child := range n.Content {
		substitute(child, defaults)
	}
}

// add adds an object, unless it is declared already.
func (b *builder) add(o *object) *object {
	if o == nil {
		return nil
	}
	if before := b.d.byIndex[o.index()]; before != nil {
		b.findings.add(o.at, "The %s is declared twice; the first is at %s.", o.line(), before.at)
		return nil
	}
	b.d.byIndex[o.index()] = o
	b.d.objects = append(b.d.objects, o)
	return o
}

// link finds the objects that each object needs, and cycles among them.
func (d *Declaration) link(found *findings) {
	for _, o := range d.objects {
		for id := o.id; !id.IsRoot(); {
			id = id.Parent()
			d.need(o, armReference(id, o.at))
		}
		for id := o.scope; !id.IsRoot(); id = id.Parent() {
			d.need(o, armReference(id, o.at))
		}
		for _, r := range o.uses {
			d.need(o, &r)
		}
		d.need(o, o.parent)
		d.need(o, o.to)
		if o.kind == kindRoleAssignment {
			d.need(o, &reference{kind: kindCustomRole, key: arm.Fold(o.role)})
		}
	}
	d.linkFixed(found)
	d.findCycles(found)
	d.findNesting(found)
}

func (d *Declaration) need(o *object, r *reference) {
	if r == nil {
		return
	}
	if other := d.byIndex[r.index()]; other != nil && other != o {
		o.needs = append(o.needs, other)
	}
}

// findCycles reports objects that need each other.
func (d *Declaration) findCycles(found *findings) {
	walk := cycles{next: func(o *object) []*object { return o.needs }, state: map[*object]int{}}
	for _, o := range d.objects {
		if ring := walk.from(o); ring != nil {
			found.add(o.at, "Objects need each other in a cycle: %s.", strings.Join(ring, " needs "))
		}
	}
}

// findNesting reports groups that are members of each other.
func (d *Declaration) findNesting(found *findings) {
	members := map[*object][]*object{}
	for _, o := range d.objects {
		if o.kind == kindMember && o.to.kind == kindGroup {
			if group, member := d.byIndex[o.parent.index()], d.byIndex[o.to.index()]; group != nil && member != nil {
				members[group] = append(members[group], member)
			}
		}
	}
	walk := cycles{next: func(o *object) []*object { return members[o] }, state: map[*object]int{}}
	for _, o := range d.objects {
		if ring := walk.from(o); ring != nil {
			found.add(o.at, "Groups are members of each other in a cycle: %s.", strings.Join(ring, " has the member "))
		}
	}
}

// cycles finds cycles in a graph of objects.
type cycles struct {
	next  func(*object) []*object
	state map[*object]int // 1: being visited, 2: done
}

// from returns the labels of a cycle that can be reached from an object and was not found before, or nil. It keeps its
// own stack, because chains of objects can be long.
func (c *cycles) from(start *object) []string {
	type step struct {
		o    *object
		next int
	}
	if c.state[start] != 0 {
		return nil
	}
	stack := []step{{o: start}}
	c.state[start] = 1
	var ring []string
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		following := c.next(top.o)
		if top.next == len(following) {
			c.state[top.o] = 2
			stack = stack[:len(stack)-1]
			continue
		}
		o := following[top.next]
		top.next++
		switch c.state[o] {
		case 0:
			c.state[o] = 1
			stack = append(stack, step{o: o})
		case 1:
			if ring == nil {
				for i := range stack {
					if ring != nil || stack[i].o == o {
						ring = append(ring, stack[i].o.line())
					}
				}
				ring = append(ring, o.line())
			}
		}
	}
	return ring
}
