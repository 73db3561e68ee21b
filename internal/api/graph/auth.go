package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"midas/internal/api/bearer"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

// audiences are the audiences that Graph accepts: Graph's own names, and this server's own origin.
func audiences(origin string) map[string]bool {
	set := map[string]bool{origin: true, origin + "/": true, directory.GraphAppID: true}
	for _, name := range directory.ResourceNames(directory.GraphAppID) {
		set[name] = true
	}
	return set
}

// refuse maps an error of package bearer to Graph's 401. It returns any other error unchanged, which becomes
// a 500. login is the origin of the sign-in service that the response names.
func refuse(login string, err error) error {
	var expired *token.ExpiredError
	var audience *bearer.AudienceError
	var revoked *bearer.RevokedError
	switch {
	case errors.Is(err, bearer.ErrNoToken), errors.Is(err, bearer.ErrNotBearer):
		return unauthorized(login, "Access token is empty.")
	case errors.As(err, &expired), errors.Is(err, token.ErrNotYetValid):
		return unauthorized(login, "Access token has expired or is not yet valid.")
	case errors.Is(err, token.ErrMalformed):
		return unauthorized(login, "CompactToken parsing failed with error code: 80049217")
	case errors.Is(err, token.ErrUnknownKey), errors.Is(err, token.ErrSignature):
		return unauthorized(login, "Access token validation failure. Invalid signature.")
	case errors.Is(err, token.ErrIssuer):
		return unauthorized(login, "Access token validation failure. Invalid issuer.")
	case errors.Is(err, token.ErrBound):
		return unauthorized(login, "Access token validation failure. The token is bound to a key and cannot be used as a bearer token.")
	case errors.As(err, &audience):
		return unauthorized(login, "Access token validation failure. Invalid audience.")
	case errors.Is(err, bearer.ErrSubjectNotFound):
		return unauthorized(login, "The identity of the calling application could not be established.")
	case errors.Is(err, bearer.ErrSubjectDisabled):
		return unauthorized(login, "The account of the caller is disabled.")
	case errors.As(err, &revoked):
		return unauthorized(login, "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp")
	case bearer.IsRefusal(err):
		return unauthorized(login, "Access token validation failure.")
	}
	return err
}

func unauthorized(login, message string) *Error {
	err := errorf(http.StatusUnauthorized, "InvalidAuthenticationToken", "%s", message)
	err.Header = http.Header{"Www-Authenticate": {fmt.Sprintf(
		`Bearer realm="", authorization_uri="%s/common/oauth2/authorize", client_id="%s"`, login, directory.GraphAppID)}}
	return err
}

// caller is the principal of the bearer token.
type caller struct {
	tenant string
	id     string // object id
	user   bool   // a user, not a service principal
	may    privilege
	client delegation // limits of the user's client
}

// admins reports whether the caller is a Global Administrator.
func (c caller) admins() bool { return c.may&administer != 0 }

// target is the object that {id} in a path names.
type target struct {
	name      string // as the client named it, for errors
	kind      string // one of directory's object kinds, or kindRole
	id        string // object id
	principal string // object id of the principal: for an application, of its service principal
}

// kindRole is the kind of directory roles. Package directory has no object kind for them.
const kindRole = "DirectoryRole"

// admit reads the caller and the object of a request and authorizes the operation. A caller without the
// right gets a 403 whether or not the object exists. op is nil if there is no such operation.
func (h *Handler) admit(ctx context.Context, req *Request, op *Operation, claims *token.Claims, login string) error {
	return h.Store.View(ctx, func(tx store.Tx) (err error) {
		if req.Caller, err = h.caller(tx, claims, login); err != nil || op == nil {
			return err
		}
		req.reauthorize = func(tx store.Tx) error { return h.admitAgain(tx, req, op, claims, login) }
		if req.Path.me {
			if !req.Caller.user {
				return errorf(http.StatusBadRequest, "BadRequest", "/me request is only valid with delegated authentication flow.")
			}
			req.Path.id = segment{text: req.Caller.id, key: true}
		}
		missing := false
		if req.Path.id.text != "" {
			req.Object, err = h.resolve(tx, req.Caller.tenant, op.template[0], req.Path.id)
			if missing = errors.Is(err, directory.ErrNotFound); err != nil && !missing {
				return err
			}
		}
		if err := h.authorize(tx, req.Caller, op, req.Object); err != nil {
			return err
		}
		if missing {
			return errNotFound(req.Object.name)
		}
		return nil
	})
}

// admitAgain authorizes the request again inside the transaction that writes, because the caller may have
// lost a right, or the object may have become privileged, since admit. It guards the caller's record, so
// that the transaction of a caller that is disabled or deleted at the same time conflicts.
func (h *Handler) admitAgain(tx store.Tx, req *Request, op *Operation, claims *token.Claims, login string) error {
	looked := unguarded{tx}
	c, err := h.caller(looked, claims, login)
	if err != nil {
		return err
	}
	if _, err := h.Directory.TokenStatus(tx, c.tenant, c.id); err != nil {
		return err
	}
	return h.authorize(looked, c, op, req.Object)
}

// unguarded is a transaction whose reads are not guarded, because the number of records that decide a
// caller's privileges can exceed the number of keys that one transaction may guard.
type unguarded struct{ store.Tx }

// Get implements store.Tx. It does not see the writes of the transaction itself.
func (u unguarded) Get(key string) (store.Record, error) {
	records, err := u.Records(store.Range{Prefix: key, Limit: 1})
	if err != nil {
		return store.Record{}, err
	}
	if len(records) == 0 || records[0].Key != key {
		return store.Record{}, store.ErrNotFound
	}
	return records[0], nil
}

// update authorizes the request again inside the transaction and then runs the change.
func (h *Handler) update(ctx context.Context, req *Request, change func(store.Tx) error) error {
	_, err := h.Store.Update(ctx, func(tx store.Tx) error {
		if err := req.reauthorize(tx); err != nil {
			return err
		}
		return change(tx)
	})
	return err
}

// caller looks up the current state of a token's subject, and its privileges.
func (h *Handler) caller(tx store.Tx, claims *token.Claims, login string) (caller, error) {
	subject, err := h.bearer.Subject(tx, claims)
	if err != nil {
		return caller{}, refuse(login, err)
	}
	c := caller{tenant: subject.TenantID, id: subject.ObjectID, user: subject.User}
	if c.user {
		c.client = delegated(claims)
	}
	c.may, err = h.privileges(tx, c)
	return c, err
}

// privileges looks up the privileges of a caller. It ignores the role claims of the token, because the owner
// of a resource decides which app roles the tokens for it contain.
func (h *Handler) privileges(tx store.Tx, c caller) (privilege, error) {
	roles, err := h.Directory.DirectoryRoles(tx, c.tenant, c.id)
	if err != nil {
		return 0, err
	}
	if c.user {
		return privilegesOfUser(roles) & c.client.may, nil
	}
	values, err := h.Directory.GraphRoles(tx, c.tenant, c.id)
	return privilegesOfPrincipal(roles, values), err
}

// resolve finds the object that a key in a path names, or returns directory.ErrNotFound.
func (h *Handler) resolve(tx store.Tx, tenant, set string, key segment) (t target, err error) {
	t.name = key.text
	byID := key.prop == "" || arm.SameName(key.prop, "id")
	byAppID := arm.SameName(key.prop, "appId")
	switch {
	case set == "users" && (byID || arm.SameName(key.prop, "userPrincipalName")):
		return h.resolveUser(tx, tenant, t)
	case set == "groups" && byID:
		var g directory.Group
		g, err = h.Directory.Group(tx, tenant, key.text)
		t.kind, t.id, t.principal = directory.ObjectGroup, g.ID, g.ID
	case set == "applications" && (byID || byAppID):
		return h.resolveApplication(tx, tenant, t, byAppID)
	case set == "servicePrincipals" && (byID || byAppID):
		var p directory.ServicePrincipal
		if byAppID {
			p, err = h.Directory.ServicePrincipalByAppID(tx, tenant, key.text)
		} else {
			p, err = h.Directory.ServicePrincipal(tx, tenant, key.text)
		}
		t.kind, t.id, t.principal = directory.ObjectServicePrincipal, p.ID, p.ID
	case set == "directoryObjects" && byID:
		if t.kind, err = h.Directory.ObjectType(tx, tenant, key.text); err == nil && t.kind == directory.ObjectApplication {
			return h.resolveApplication(tx, tenant, t, false)
		}
		t.id, t.principal = arm.Fold(key.text), arm.Fold(key.text)
	case set == "directoryRoles" && (byID || arm.SameName(key.prop, "roleTemplateId")):
		role, found := roleByID(key.text)
		if !found {
			return t, directory.ErrNotFound
		}
		t.kind, t.id = kindRole, role.ID
	case byID: // the operations of the other sets read the object themselves
		t.id = key.text
	default:
		return t, errBadRequest("The property '%s' is not a key of '%s'.", clip(key.prop), set)
	}
	return t, err
}

func (h *Handler) resolveUser(tx store.Tx, tenant string, t target) (target, error) {
	u, err := h.Directory.User(tx, tenant, t.name)
	if errors.Is(err, directory.ErrNotFound) {
		u, err = h.Directory.UserByName(tx, tenant, t.name)
	}
	t.kind, t.id, t.principal = directory.ObjectUser, u.ID, u.ID
	return t, err
}

func (h *Handler) resolveApplication(tx store.Tx, tenant string, t target, byAppID bool) (_ target, err error) {
	var a directory.Application
	if byAppID {
		a, err = h.Directory.ApplicationByAppID(tx, tenant, t.name)
	} else {
		a, err = h.Directory.Application(tx, tenant, t.name)
	}
	if err != nil {
		return t, err
	}
	t.kind, t.id = directory.ObjectApplication, a.ID
	p, err := h.Directory.ServicePrincipalByAppID(tx, tenant, a.AppID)
	if errors.Is(err, directory.ErrNotFound) {
		return t, nil
	}
	t.principal = p.ID
	return t, err
}
