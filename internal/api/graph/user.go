package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

func userSchema() *schema[directory.User] {
	type user = directory.User
	extra := opaque[user](func(u *user) *map[string]json.RawMessage { return &u.Extra })
	short := 64
	fields := []field[user]{
		{name: "id", use: text, get: func(u user) any { return u.ID }},
		{
			name: "businessPhones", get: func(u user) any { return list(u.BusinessPhones) },
			set: func(u *user, raw json.RawMessage) error {
				return setTextCollection("businessPhones", 1, short, &u.BusinessPhones, raw)
			},
		},
		requiredText("User", "displayName", 256, func(u *user) *string { return &u.DisplayName }),
		writableText("givenName", short, func(u *user) *string { return &u.GivenName }),
		writableText("jobTitle", 128, func(u *user) *string { return &u.JobTitle }),
		writableText("mail", 256, func(u *user) *string { return &u.Mail }),
		writableText("mobilePhone", short, func(u *user) *string { return &u.MobilePhone }),
		writableText("officeLocation", 128, func(u *user) *string { return &u.OfficeLocation }),
		writableText("preferredLanguage", short, func(u *user) *string { return &u.PreferredLanguage }),
		writableText("surname", short, func(u *user) *string { return &u.Surname }),
		writableText("userPrincipalName", 256, func(u *user) *string { return &u.UserPrincipalName }),
	}
	userType := constant[user]("userType", "Member")
	userType.use = text
	more := []field[user]{
		writableBoolean("accountEnabled", func(u *user) *bool { return &u.Enabled }),
		readOnly("createdDateTime", dateTime, func(u user) any { return timeOrNull(u.Created) }),
		writableText("department", short, func(u *user) *string { return &u.Department }),
		writableText("mailNickname", short, func(u *user) *string { return &u.MailNickname }),
		writableText("usageLocation", 2, func(u *user) *string { return &u.UsageLocation }),
		readOnly("signInSessionsValidFromDateTime", notQueryable, func(u user) any {
			if u.ValidFrom.IsZero() {
				return timeOrNull(u.Created)
			}
			return timeOrNull(u.ValidFrom)
		}),
		readOnly("securityIdentifier", notQueryable, func(u user) any { return securityIdentifier(u.ID) }),
		userType,
		constant[user]("passwordProfile", nil),
		extra.texts("otherMails"), extra.texts("proxyAddresses"),
	}
	for _, name := range []string{
		"deletedDateTime", "creationType", "externalUserState", "lastPasswordChangeDateTime", "onPremisesSyncEnabled",
		"onPremisesDistinguishedName", "onPremisesDomainName", "onPremisesSamAccountName", "onPremisesUserPrincipalName",
		"onPremisesLastSyncDateTime", "onPremisesSecurityIdentifier", "imAddresses",
	} {
		more = append(more, readOnly(name, notQueryable, func(user) any { return nil }))
	}
	more = append(more, extra.properties("ageGroup", "city", "companyName", "consentProvidedForMinor", "country", "employeeId",
		"employeeType", "faxNumber", "onPremisesImmutableId", "passwordPolicies", "postalCode", "showInAddressList", "state", "streetAddress")...)
	return &schema[user]{typ: "user", set: "users", class: "User", fields: append(fields, hidden(more...)...)}
}

func (h *Handler) userSource(tenant string) source[directory.User] {
	id := func(u directory.User) string { return u.ID }
	return source[directory.User]{
		shape: h.users, cursor: id,
		after: listByID(func(tx store.Tx, after string, limit int) ([]directory.User, error) {
			return h.Directory.Users(tx, tenant, after, limit)
		}, id),
		direct: func(tx store.Tx, f *filter) ([]directory.User, bool, error) {
			if name, known := f.equal("userPrincipalName"); known {
				return oneOrNone(h.Directory.UserByName(tx, tenant, name))
			}
			if id, known := f.equal("id"); known {
				return oneOrNone(h.Directory.User(tx, tenant, id))
			}
			return nil, false, nil
		},
	}
}

// oneOrNone turns the result of a look-up into the results of source.direct.
func oneOrNone[T any](t T, err error) ([]T, bool, error) {
	if errors.Is(err, directory.ErrNotFound) {
		return nil, true, nil
	}
	return []T{t}, true, err
}

func (h *Handler) listUsers(ctx context.Context, req *Request) (*Response, error) {
	return pageResponse(ctx, h, req, h.userSource(req.Caller.tenant))
}

func (h *Handler) countUsers(ctx context.Context, req *Request) (*Response, error) {
	return countResponse(ctx, h, req, h.userSource(req.Caller.tenant))
}

func (h *Handler) getUser(ctx context.Context, req *Request) (_ *Response, err error) {
	var u directory.User
	err = h.Store.View(ctx, func(tx store.Tx) error {
		u, err = h.Directory.User(tx, req.Caller.tenant, req.Object.id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return entityResponse(req, h.users, u)
}

func (h *Handler) createUser(ctx context.Context, req *Request) (*Response, error) {
	u := directory.User{TenantID: req.Caller.tenant, Created: h.Now().UTC(), Enabled: true}
	password, given, err := takePassword(req.Body)
	if err != nil {
		return nil, err
	}
	if err := h.users.apply(&u, req.Body); err != nil {
		return nil, err
	}
	for name, missing := range map[string]bool{
		"displayName": u.DisplayName == "", "mailNickname": u.MailNickname == "", "userPrincipalName": u.UserPrincipalName == "",
		"passwordProfile": !given, "accountEnabled": req.Body["accountEnabled"] == nil,
	} {
		if missing {
			return nil, errBadRequest("A value is required for property '%s' of resource 'User'.", name)
		}
	}
	hash, err := h.hash(ctx, req, password)
	if err != nil {
		return nil, err
	}
	u.ID = h.Directory.NewObjectID(directory.ReservedUser, u.UserPrincipalName, h.NewID)
	err = h.update(ctx, req, func(tx store.Tx) error {
		if err := h.checkDomain(tx, u); err != nil {
			return err
		}
		return h.Directory.CreateUser(tx, u, hash)
	})
	if errors.Is(err, directory.ErrExists) {
		return nil, errBadRequest("Another object with the same value for property userPrincipalName already exists.")
	}
	if err != nil {
		return nil, err
	}
	h.Directory.UsedIDs(directory.ReservedUser, u.UserPrincipalName)
	return createdResponse(req, h.users, u, u.ID), nil
}

// hash hashes a new password. The hash of an empty password is empty.
func (h *Handler) hash(ctx context.Context, req *Request, password directory.PasswordText) (directory.PasswordHash, error) {
	if password == "" {
		return "", nil
	}
	return h.Directory.HashPassword(ctx, password, req.waiter())
}

// checkDomain refuses user principal names that are not in the tenant's domain.
func (h *Handler) checkDomain(tx store.Tx, u directory.User) error {
	t, err := h.Directory.Tenant(tx, u.TenantID)
	if err != nil {
		return err
	}
	_, domain, _ := strings.Cut(u.UserPrincipalName, "@")
	if !arm.SameName(domain, t.DefaultDomain) {
		return errBadRequest("The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization.")
	}
	return nil
}

// takePassword removes passwordProfile from a body and returns its password. It ignores
// forceChangePasswordNextSignIn.
func takePassword(body map[string]json.RawMessage) (password directory.PasswordText, given bool, err error) {
	raw, given := body["passwordProfile"]
	delete(body, "passwordProfile")
	if !given || isNull(raw) {
		return "", false, nil
	}
	var profile struct {
		Password *string `json:"password"`
	}
	if json.Unmarshal(raw, &profile) != nil {
		return "", false, errValue("passwordProfile")
	}
	if profile.Password == nil {
		return "", false, nil
	}
	if *profile.Password == "" {
		return "", true, directory.ErrWeakPassword
	}
	return directory.PasswordText(*profile.Password), true, nil
}

// mayUpdateUser requires writePasswords to set a password, because the caller can then sign in as the user,
// and writeUsers to change other properties.
func mayUpdateUser(c caller, body map[string]json.RawMessage) error {
	needs := writeUsers
	for name := range body {
		if arm.SameName(name, "passwordProfile") {
			if c.may&writePasswords == 0 {
				return errDenied()
			}
			if len(body) == 1 {
				needs = writePasswords
			}
		}
	}
	if c.may&needs == 0 {
		return errDenied()
	}
	return nil
}

func (h *Handler) updateUser(ctx context.Context, req *Request) (*Response, error) {
	if err := mayUpdateUser(req.Caller, req.Body); err != nil {
		return nil, err
	}
	password, given, err := takePassword(req.Body)
	if err != nil {
		return nil, err
	}
	hash, err := h.hash(ctx, req, password)
	if err != nil {
		return nil, err
	}
	err = h.update(ctx, req, func(tx store.Tx) error {
		u, err := h.Directory.User(tx, req.Caller.tenant, req.Object.id)
		if err != nil {
			return err
		}
		name := u.UserPrincipalName
		if err := h.users.apply(&u, req.Body); err != nil {
			return err
		}
		if name != u.UserPrincipalName {
			if err := h.checkDomain(tx, u); err != nil {
				return err
			}
		}
		if err := h.Directory.UpdateUser(tx, u); err != nil || !given {
			return err
		}
		return h.Directory.SetPassword(tx, req.Caller.tenant, u.ID, hash)
	})
	if err != nil {
		return nil, err
	}
	return noContentResponse(), nil
}

func (h *Handler) deleteUser(ctx context.Context, req *Request) (*Response, error) {
	return h.remove(ctx, req, func(tx store.Tx) error {
		return h.Directory.DeleteUser(tx, req.Caller.tenant, req.Object.id)
	})
}

// remove deletes an object, and afterwards the references to it.
func (h *Handler) remove(ctx context.Context, req *Request, fn func(store.Tx) error) (*Response, error) {
	if err := h.update(ctx, req, fn); err != nil {
		return nil, err
	}
	response := noContentResponse()
	for _, id := range slices.Compact([]string{req.Object.id, req.Object.principal}) {
		if id == "" { // an application without a principal
			continue
		}
		// The deletion is committed, so a failure of Unlink does not change the response.
		response.Err = errors.Join(response.Err, h.Directory.Unlink(ctx, req.Caller.tenant, id))
	}
	return response, nil
}

// revokeSessions revokes all tokens of a user.
func (h *Handler) revokeSessions(ctx context.Context, req *Request) (*Response, error) {
	err := h.update(ctx, req, func(tx store.Tx) error {
		return h.Directory.RevokeTokens(tx, req.Caller.tenant, req.Object.id)
	})
	if err != nil {
		return nil, err
	}
	return &Response{Status: http.StatusOK, Body: object{{"@odata.context", req.context("Edm.Boolean", nil, false)}, {"value", true}}}, nil
}

// setTextCollection reads a list of at most `most` texts of at most `length` characters.
func setTextCollection(name string, most, length int, at *[]string, raw json.RawMessage) error {
	var texts []string
	if json.Unmarshal(raw, &texts) != nil || len(texts) > most {
		return errValue(name)
	}
	for _, s := range texts {
		var checked string
		quoted, err := json.Marshal(s)
		if err != nil || s == "" || setText(name, length, &checked, quoted) != nil {
			return errValue(name)
		}
	}
	*at = texts
	return nil
}
