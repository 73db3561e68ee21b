//go:build e2e && cluster

package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	workers       = 5
	openGroups    = 4   // that workers choose from
	groupLimit    = 250 // operations of one group; more take long to check
	unknownLimit  = 4   // unknown outcomes of one group; each doubles the time of the check
	betweenWrites = 5 * time.Millisecond
)

// workGroup is a resource group of the model.
type workGroup struct {
	mu         sync.Mutex
	path       string // "" before it exists
	operations int
	unknown    int
}

// work starts the clients.
func (x *trial) work() {
	slots := make([]*workGroup, openGroups)
	for i := range slots {
		slots[i] = new(workGroup)
	}
	for i := range workers {
		x.workers.Go(func() {
			for x.ctx.Err() == nil {
				g := slots[x.random.n(len(slots))]
				if path := g.next(x); path != "" {
					g.count(path, x.operate(i, path))
				}
				time.Sleep(betweenWrites)
			}
		})
	}
}

// next returns the group's path for one more operation. A group that has had enough is read at every replica and
// replaced.
func (g *workGroup) next(x *trial) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.path != "" && g.operations < groupLimit && g.unknown < unknownLimit {
		g.operations++
		return g.path
	}
	if g.path != "" {
		for i, r := range x.replicas {
			x.read(workers+i, r, "LIST", g.path, 0)
		}
	}
	g.path, g.operations, g.unknown = "", 0, 0
	path := x.groupPath(fmt.Sprintf("g%d", x.history.next()))
	if a, _ := x.arm(x.any(), http.MethodPut, path+groupVersion, location); a.status == http.StatusCreated {
		g.path = path
	}
	return g.path
}

func (g *workGroup) count(path string, unknown bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if unknown && path == g.path {
		g.unknown++
	}
}

// operate does one operation, and reports whether its outcome is unknown.
func (x *trial) operate(client int, group string) (unknown bool) {
	r, name := x.any(), x.random.n(namesPerGroup)
	switch x.random.n(10) {
	case 0, 1, 2, 3:
		return x.write(client, r, http.MethodPut, group, name)
	case 4, 5:
		return x.write(client, r, http.MethodDelete, group, name)
	case 6, 7:
		x.read(client, r, "LIST", group, 0)
	default:
		x.read(client, r, http.MethodGet, group, name)
	}
	return false
}

func identity(group string, name int) string {
	return fmt.Sprintf("%s/app%d%s", identities(group), name, identityVersion)
}

func (x *trial) write(client int, r *replica, method, group string, name int) (unknown bool) {
	in := groupInput{method: method, name: name, number: x.history.next()}
	body := ""
	if method == http.MethodPut {
		body = location
	}
	a, i := x.arm(r, method, identity(group, name), body)
	out := groupOutput{status: a.status}
	switch {
	case a.refused():
		return false
	case a.unknown():
		out.unknown, i.end = true, open()
	case a.status == 200 && method == http.MethodPut || a.status == 201:
		out.ids[0] = principal(a.body)
	case a.status != 200 && a.status != 204:
		x.Errorf("%s %s: %d %s", method, group, a.status, a.body)
		return false
	}
	x.history.addGroup(group, client, i, in, out)
	return out.unknown
}

// read is GET of one name or of the list.
func (x *trial) read(client int, r *replica, method, group string, name int) {
	path := identities(group) + identityVersion
	if method == http.MethodGet {
		path = identity(group, name)
	}
	a, i := x.arm(r, http.MethodGet, path, "")
	out := groupOutput{status: a.status}
	switch {
	case a.refused() || a.unknown():
		return // a read without an answer says nothing
	case a.status == 200 && method == "LIST":
		out.ids = listed(a.body)
	case a.status == 200:
		out.ids[0] = principal(a.body)
	case a.status != 404:
		x.Errorf("%s %s: %d %s", method, group, a.status, a.body)
		return
	}
	x.history.addGroup(group, client, i, groupInput{method: method, name: name, number: x.history.next()}, out)
}

// identityAnswer is an identity as ARM shows it.
type identityAnswer struct {
	Name       string
	Properties struct{ PrincipalID, ClientID string }
}

func principal(body []byte) string {
	var a identityAnswer
	_ = json.Unmarshal(body, &a) // a wrong body has no id, which no order explains
	return a.Properties.PrincipalID + " " + a.Properties.ClientID
}

// listed are the ids of a list.
func listed(body []byte) (ids groupState) {
	var list struct{ Value []json.RawMessage }
	_ = json.Unmarshal(body, &list)
	for _, one := range list.Value {
		var a identityAnswer
		var n int
		if json.Unmarshal(one, &a) != nil {
			continue
		}
		if _, err := fmt.Sscanf(a.Name, "app%d", &n); err == nil && n < len(ids) {
			ids[n] = principal(one)
		}
	}
	return ids
}
