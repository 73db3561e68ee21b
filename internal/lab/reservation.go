package lab

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// reservation are the ids for the next object of a name.
type reservation struct {
	kind      directory.ReservedKind
	name      string
	id, appID string // appID is empty for kinds that have none; secrets have no ids
	text      directory.SecretText
}

// ids returns the ids of a reservation.
func (r reservation) ids() []string {
	switch {
	case r.kind == directory.ReservedSecret:
		return nil
	case r.appID == "":
		return []string{r.id}
	}
	return []string{r.id, r.appID}
}

// wireIDs is the body of PUT and GET /lab/v1/ids. Its members have the names of ARM and Microsoft Graph.
type wireIDs struct {
	Identities        []wireIdentity         `json:"identities,omitempty"`
	Users             []wireUser             `json:"users,omitempty"`
	Groups            []wireGroup            `json:"groups,omitempty"`
	Applications      []wireApplication      `json:"applications,omitempty"`
	ServicePrincipals []wireServicePrincipal `json:"servicePrincipals,omitempty"`
	Secrets           []wireSecret           `json:"passwordCredentials,omitempty"`
}

// wireIdentity is a user-assigned identity, or the system-assigned identity of another resource.
type wireIdentity struct {
	ResourceID  string `json:"resourceId"`
	PrincipalID string `json:"principalId"`
	ClientID    string `json:"clientId"`
}

type wireUser struct {
	Name string `json:"userPrincipalName"`
	ID   string `json:"id"`
}

type wireGroup struct {
	Name string `json:"displayName"`
	ID   string `json:"id"`
}

type wireApplication struct {
	Name  string `json:"displayName"`
	ID    string `json:"id"`
	AppID string `json:"appId"`
}

type wireServicePrincipal struct {
	AppID string `json:"appId"`
	ID    string `json:"id"`
}

// wireSecret is a secret of an application. Answers have no secretText.
type wireSecret struct {
	Application string               `json:"application"` // displayName
	Name        string               `json:"displayName"`
	Text        directory.SecretText `json:"secretText,omitempty"`
}

// parse checks the reservations of a body.
func (w *wireIDs) parse() (all []reservation, err error) {
	for n, one := range w.Identities {
		id, err := arm.ParseID(one.ResourceID)
		if err != nil || !id.IsResource() {
			return nil, errProperty("identities", n, "resourceId", "must be the id of a resource")
		}
		all = append(all, reservation{directory.ReservedIdentity, id.Key(), one.PrincipalID, one.ClientID, ""})
	}
	for _, one := range w.Users {
		all = append(all, reservation{kind: directory.ReservedUser, name: one.Name, id: one.ID})
	}
	for _, one := range w.Groups {
		all = append(all, reservation{kind: directory.ReservedGroup, name: one.Name, id: one.ID})
	}
	for _, one := range w.Applications {
		all = append(all, reservation{directory.ReservedApplication, one.Name, one.ID, one.AppID, ""})
	}
	for n, one := range w.ServicePrincipals {
		if !arm.IsGUID(one.AppID) {
			return nil, errProperty("servicePrincipals", n, "appId", "must be a GUID")
		}
		all = append(all, reservation{kind: directory.ReservedServicePrincipal, name: one.AppID, id: one.ID})
	}
	for n, one := range w.Secrets {
		if one.Application == "" || one.Name == "" {
			return nil, errProperty("passwordCredentials", n, "displayName", "and application must be names")
		}
		all = append(all, reservation{kind: directory.ReservedSecret, name: directory.SecretName(one.Application, one.Name), text: one.Text})
	}
	for i := range all {
		if err := all[i].check(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// maxName bounds the name of an object, in bytes.
const maxName = 2 << 10

// check checks the name and the ids, and folds the ids.
func (r *reservation) check() error {
	if r.name == "" || len(r.name) > maxName {
		return arm.Errorf(http.StatusBadRequest, "InvalidParameter", "The name of a %s must have 1 to %d bytes.", r.kind, maxName)
	}
	if r.kind == directory.ReservedSecret {
		return r.checkText()
	}
	needsApp := r.kind == directory.ReservedIdentity || r.kind == directory.ReservedApplication
	if !arm.IsGUID(r.id) || needsApp && !arm.IsGUID(r.appID) {
		return arm.Errorf(http.StatusBadRequest, "InvalidParameter", "The ids of the %s '%s' must be GUIDs.", r.kind, r.name)
	}
	r.id, r.appID = arm.Fold(r.id), arm.Fold(r.appID)
	if r.id == r.appID {
		return arm.Errorf(http.StatusBadRequest, "InvalidParameter", "The two ids of the %s '%s' must differ.", r.kind, r.name)
	}
	return nil
}

// checkText refuses texts that are too easy to guess.
func (r *reservation) checkText() error {
	begin := time.Time{}
	if _, err := directory.NewSecret("", r.text, begin, begin.Add(time.Hour)); err != nil {
		return arm.Errorf(http.StatusBadRequest, "InvalidParameter", "The secret '%s' cannot be used: %v.", shown(r.name), err)
	}
	return nil
}

func errProperty(list string, at int, property, problem string) error {
	err := arm.Errorf(http.StatusBadRequest, "InvalidParameter", "%s[%d].%s %s.", list, at, property, problem)
	err.Target = fmt.Sprintf("%s[%d].%s", list, at, property)
	return err
}

func (h *Handler) putIDs(req *request) (any, error) {
	var body wireIDs
	if err := req.body(&body); err != nil {
		return nil, err
	}
	all, err := body.parse()
	if err != nil {
		return nil, err
	}
	for _, r := range all { // one view for each, because a view may read a bounded number of records
		if err := h.checkUnused(req, r); err != nil {
			return nil, err
		}
	}
	if err := h.IDs.add(all); err != nil {
		return nil, err
	}
	h.announce(req, "ids reserved", "count", len(all))
	return h.listIDs(req)
}

// checkUnused refuses ids that an object has.
func (h *Handler) checkUnused(req *request, r reservation) error {
	return h.Store.View(req.context(), func(tx store.Tx) error {
		for _, id := range r.ids() {
			_, err := h.Directory.ObjectType(tx, h.Admin.TenantID, id)
			if errors.Is(err, directory.ErrNotFound) {
				_, err = h.Directory.ServicePrincipalByAppID(tx, h.Admin.TenantID, id)
			}
			if errors.Is(err, directory.ErrNotFound) {
				_, err = h.Directory.ApplicationByAppID(tx, h.Admin.TenantID, id)
			}
			if errors.Is(err, directory.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			return arm.Errorf(http.StatusConflict, "IdInUse", "The id '%s' for the %s '%s' is that of an object that exists.", id, r.kind, r.name)
		}
		return nil
	})
}

func (h *Handler) listIDs(*request) (any, error) {
	all := h.IDs.all()
	slices.SortFunc(all, func(a, b reservation) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name)) })
	var body wireIDs
	for _, r := range all {
		switch r.kind {
		case directory.ReservedIdentity:
			body.Identities = append(body.Identities, wireIdentity{r.name, r.id, r.appID})
		case directory.ReservedUser:
			body.Users = append(body.Users, wireUser{r.name, r.id})
		case directory.ReservedGroup:
			body.Groups = append(body.Groups, wireGroup{r.name, r.id})
		case directory.ReservedApplication:
			body.Applications = append(body.Applications, wireApplication{r.name, r.id, r.appID})
		case directory.ReservedServicePrincipal:
			body.ServicePrincipals = append(body.ServicePrincipals, wireServicePrincipal{r.name, r.id})
		case directory.ReservedSecret:
			application, name, _ := strings.Cut(r.name, "\x00")
			body.Secrets = append(body.Secrets, wireSecret{Application: application, Name: name})
		}
	}
	return body, nil
}

func (h *Handler) deleteIDs(req *request) (any, error) {
	h.announce(req, "ids are no longer reserved", "count", h.IDs.Clear())
	return nil, nil
}
