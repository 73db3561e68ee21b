package state

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"midas/internal/arm"
)

// fixedID is an id that a file fixes.
type fixedID struct {
	value string // in lower case
	at    Position
}

// The members that fix ids. Those of a secret and of a service principal have other names in files.
const (
	fixedObject    = "id"
	fixedApp       = "appId"
	fixedPrincipal = "principalId"
	fixedClient    = "clientId"
	fixedService   = "servicePrincipal.id" // of an application
)

// The paths of the laboratory.
const (
	labPath    = "/lab/v1"
	labIDsPath = labPath + "/ids"
)

// fixed takes the ids that only laboratories fix out of a body.
func (b *builder) fixed(n *yaml.Node, body map[string]any, names ...string) (ids map[string]fixedID) {
	for _, name := range names {
		value := member(n, name)
		if value == nil {
			continue
		}
		delete(body, name)
		if !b.d.defaults.Lab {
			b.wrong(value, "%q can be fixed only on a server with --lab.", name)
			continue
		}
		if ids == nil {
			ids = map[string]fixedID{}
		}
		ids[name] = fixedID{arm.Fold(textOf(value)), b.doc.at(value)}
	}
	return ids
}

// linkFixed reports ids that two objects would have, and finds the objects that others need by fixed ids.
func (d *Declaration) linkFixed(found *findings) {
	first, owners := map[string]fixedID{}, map[string]*object{}
	for _, o := range d.objects {
		for _, name := range slices.Sorted(maps.Keys(o.fixed)) {
			id := o.fixed[name]
			if before, taken := first[id.value]; taken {
				found.add(id.at, "The id %s is fixed twice; the first is at %s.", id.value, before.at)
				continue
			}
			first[id.value], owners[id.value] = id, o
		}
	}
	for _, o := range d.objects {
		if o.to == nil || o.to.guid == "" {
			continue
		}
		if owner := owners[o.to.guid]; owner != nil && owner != o {
			o.needs = append(o.needs, owner)
		}
	}
}

// have returns what the server has of a fixed id; it is empty as long as there is no such object.
func (w *world) have(o *object, entry map[string]any, name string) string {
	switch {
	case o.kind == kindIdentity:
		return textAt(entry, "properties", name)
	case o.kind == kindResource && name == fixedClient:
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.clients[arm.Fold(textAt(entry, "identity", fixedPrincipal))]
	case o.kind == kindResource:
		return textAt(entry, "identity", name)
	case name == fixedService:
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.owners[arm.Fold(textAt(entry, fixedApp))]
	}
	return textAt(entry, name)
}

// checkIDs reports ids and secrets that the file fixes and that the server has otherwise, because they never change.
func (p *Plan) checkIDs(o *object, entry map[string]any, found *findings) {
	for name, id := range o.fixed {
		if have := p.world.have(o, entry, name); have != "" && !arm.SameName(have, id.value) {
			found.add(id.at, "The %s has the %s %s, not %s, and ids never change; delete it first.", o.line(), name, have, id.value)
		}
	}
	if have := textAt(entry, "name"); o.guid != "" && o.named && have != "" && !arm.SameName(have, o.guid) {
		found.add(o.at, "The %s has the name %s, not %s, and names never change; delete it first.", o.line(), have, o.guid)
	}
	if hint := textAt(entry, "hint"); o.kind == kindSecret && o.secret != "" && !strings.HasPrefix(o.secret, hint) {
		found.add(o.at, "The %s has another value, which begins with %q; delete it first.", o.line(), hint)
	}
}

// reserved is one element of a list of PUT /lab/v1/ids.
type reserved struct {
	list   string
	ids    map[string]string // and one name
	object *object
}

// reservations returns what the server must reserve before the steps of a plan.
func (p *Plan) reservations() (all []reserved) {
	for _, s := range p.Steps {
		if s.Action != Delete {
			all = append(all, p.reservation(s)...)
		}
	}
	return all
}

// reservation returns what the server must reserve for one step: the ids of which it has none yet. The laboratory takes
// the ids of an object together, so one that the file leaves out is made of the others; a second run makes the same.
func (p *Plan) reservation(s *Step) []reserved {
	o := s.object
	id := func(name string, others ...string) string {
		for _, other := range others {
			if o.fixed[name].value == "" && o.fixed[other].value != "" {
				return guidOf(o.fixed[other].value, name)
			}
		}
		return o.fixed[name].value
	}
	one := func(list string, ids map[string]string) []reserved { return []reserved{{list, ids, o}} }
	switch o.kind {
	case kindSecret:
		if o.secret != "" && s.Action == Create {
			return one("passwordCredentials", map[string]string{"application": o.parent.label, "displayName": textAt(o.body, "displayName"), "secretText": o.secret})
		}
	case kindUser, kindGroup:
		if s.Action != Create || len(o.fixed) == 0 {
			return nil
		}
		if o.kind == kindUser {
			return one("users", map[string]string{"userPrincipalName": o.label, fixedObject: id(fixedObject)})
		}
		return one("groups", map[string]string{"displayName": o.label, fixedObject: id(fixedObject)})
	case kindIdentity, kindResource:
		if len(o.fixed) > 0 && p.world.have(o, s.entry, fixedPrincipal) == "" {
			return one("identities", map[string]string{"resourceId": o.id.String(), fixedPrincipal: id(fixedPrincipal, fixedClient), fixedClient: id(fixedClient, fixedPrincipal)})
		}
	case kindApplication:
		return p.applicationIDs(s, id)
	}
	return nil
}

// applicationIDs is reservation for an application and its service principal.
func (p *Plan) applicationIDs(s *Step, id func(name string, others ...string) string) (all []reserved) {
	o := s.object
	app := textAt(s.entry, fixedApp)
	if s.Action == Create && len(o.fixed) > 0 {
		app = id(fixedApp, fixedObject, fixedService)
		all = append(all, reserved{"applications", map[string]string{"displayName": o.label, fixedObject: id(fixedObject, fixedApp, fixedService), fixedApp: app}, o})
	}
	if service := o.fixed[fixedService].value; service != "" && p.world.have(o, s.entry, fixedService) == "" {
		all = append(all, reserved{"servicePrincipals", map[string]string{fixedApp: app, fixedObject: service}, o})
	}
	return all
}

// checkLab reports what a plan would fix if the server is no laboratory, whatever its ids promised.
func (p *Plan) checkLab(ctx context.Context, found *findings) error {
	all := p.reservations()
	if len(all) == 0 {
		return nil
	}
	err := p.server.call(ctx, http.MethodGet, labPath, nil, nil)
	var refused *refusal
	if !errors.As(err, &refused) || refused.status != http.StatusNotFound {
		return err
	}
	for _, r := range all {
		found.add(r.object.at, "The ids and secrets of the %s can be fixed only on a server with --lab.", r.object.line())
	}
	return nil
}

// Bounds of one request to reserve ids. The laboratory takes at most 1 MiB and 20,000 open reservations.
const (
	maxReserved      = 2_000   // ids
	maxReservedBytes = 1 << 19 // of JSON
)

// reserve reserves the ids and secrets that a plan fixes, in pages, before anything is created.
func (p *Plan) reserve(ctx context.Context) error {
	var page []reserved
	ids, size := 0, 0
	for _, r := range p.reservations() {
		text, err := json.Marshal(r.ids)
		if err != nil {
			return err
		}
		if ids+len(r.ids)-1 > maxReserved || size+len(text) > maxReservedBytes {
			if err := p.reservePage(ctx, page); err != nil {
				return err
			}
			page, ids, size = nil, 0, 0
		}
		page, ids, size = append(page, r), ids+len(r.ids)-1, size+len(text)
	}
	return p.reservePage(ctx, page)
}

func (p *Plan) reservePage(ctx context.Context, page []reserved) error {
	if len(page) == 0 {
		return nil
	}
	body := map[string][]map[string]string{}
	for _, r := range page {
		body[r.list] = append(body[r.list], r.ids)
	}
	err := p.server.call(ctx, http.MethodPut, labIDsPath, body, nil)
	if err == nil {
		return nil
	}
	remedy := "; nothing was changed"
	var refused *refusal
	if errors.As(err, &refused) && refused.code == "IdReserved" {
		remedy += ", and DELETE " + labIDsPath + " forgets what is reserved"
	}
	for _, r := range page { // the message names an id or an object
		if refused != nil && r.isNamed(refused.message) {
			return fmt.Errorf("%s: reserve the ids of the %s: %w%s", r.object.at, r.object.line(), err, remedy)
		}
	}
	return fmt.Errorf("reserve the ids that the file fixes: %w%s", err, remedy)
}

// isNamed reports whether a message of the laboratory names an id, or else the name of a secret, of a reservation.
func (r reserved) isNamed(message string) bool {
	if r.object.kind == kindSecret {
		return strings.Contains(message, "'"+r.object.label+"'")
	}
	for _, name := range []string{fixedObject, fixedApp, fixedPrincipal, fixedClient} {
		if id := r.ids[name]; id != "" && strings.Contains(message, "'"+id+"'") {
			return true
		}
	}
	name := cmp.Or(r.ids["userPrincipalName"], r.ids["displayName"], r.ids["resourceId"])
	return name != "" && strings.Contains(arm.Fold(message), "'"+arm.Fold(name)+"'")
}
