package graph

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
)

// passwordCredential is the JSON of a secret. secretText is empty except in the response of addPassword.
func passwordCredential(s directory.Secret, secretText string) object {
	return object{
		{"customKeyIdentifier", nil}, {"displayName", orNull(s.DisplayName)}, {"endDateTime", timeOrNull(s.End)},
		{"hint", orNull(s.Hint)}, {"keyId", s.KeyID}, {"secretText", orNull(secretText)}, {"startDateTime", timeOrNull(s.Start)},
	}
}

func passwordCredentials(secrets []directory.Secret) []object {
	objects := make([]object, 0, len(secrets))
	for _, s := range secrets {
		objects = append(objects, passwordCredential(s, ""))
	}
	return objects
}

func passwordCredentialsField[T any](at func(*T) *[]directory.Secret) field[T] {
	return field[T]{
		name: "passwordCredentials",
		get:  func(t T) any { return passwordCredentials(*at(&t)) },
		set:  func(t *T, raw json.RawMessage) error { return setPasswordCredentials(at(t), raw) },
	}
}

// setPasswordCredentials removes the secrets that the list does not name. Only addPassword creates secrets.
func setPasswordCredentials(at *[]directory.Secret, raw json.RawMessage) error {
	var given []struct {
		KeyID string `json:"keyId"`
	}
	if json.Unmarshal(raw, &given) != nil {
		return errValue("passwordCredentials")
	}
	var remaining []directory.Secret
	for _, g := range given {
		i := slices.IndexFunc(*at, func(s directory.Secret) bool { return arm.SameName(s.KeyID, g.KeyID) })
		if i < 0 {
			return errBadRequest("New password credentials must be generated with service actions.")
		}
		remaining = append(remaining, (*at)[i])
	}
	*at = remaining
	return nil
}

func keyCredentials(certificates []directory.Certificate) []object {
	objects := make([]object, 0, len(certificates))
	for _, c := range certificates {
		objects = append(objects, keyCredentialObject(c))
	}
	return objects
}

func keyCredentialObject(c directory.Certificate) object {
	return object{
		{"customKeyIdentifier", strings.ToUpper(hex.EncodeToString(c.SHA1))}, {"displayName", orNull(c.DisplayName)},
		{"endDateTime", timeOrNull(c.End)}, {"key", nil}, {"keyId", c.KeyID}, {"startDateTime", timeOrNull(c.Start)},
		{"type", "AsymmetricX509Cert"}, {"usage", "Verify"},
	}
}

func keyCredentialsField[T any](at func(*T) *[]directory.Certificate) field[T] {
	return field[T]{
		name: "keyCredentials",
		get:  func(t T) any { return keyCredentials(*at(&t)) },
		set:  func(t *T, raw json.RawMessage) error { return setKeyCredentials(at(t), raw) },
	}
}

// keyCredential is the JSON of a certificate in a request.
type keyCredential struct {
	KeyID         string  `json:"keyId"`
	DisplayName   *string `json:"displayName"`
	StartDateTime *string `json:"startDateTime"`
	EndDateTime   *string `json:"endDateTime"`
	Key           *string `json:"key"`
	Type          string  `json:"type"`
	Usage         string  `json:"usage"`
}

// setKeyCredentials replaces keyCredentials by the list. An item with the keyId of an existing certificate
// and without a key keeps that certificate; assignKeyIDs sets the ids of new ones afterwards.
func setKeyCredentials(at *[]directory.Certificate, raw json.RawMessage) error {
	var given []keyCredential
	if json.Unmarshal(raw, &given) != nil || len(given) > 64 {
		return errValue("keyCredentials")
	}
	var remaining []directory.Certificate
	for _, g := range given {
		c, err := g.certificate(*at)
		if err != nil {
			return err
		}
		same := func(o directory.Certificate) bool {
			return bytes.Equal(o.SHA256, c.SHA256) || c.KeyID != "" && arm.SameName(o.KeyID, c.KeyID)
		}
		if slices.ContainsFunc(remaining, same) {
			return errBadRequest("Key credential is used twice in the list.")
		}
		remaining = append(remaining, c)
	}
	*at = remaining
	return nil
}

// certificate returns the existing certificate that the item names, or reads a new one.
func (k keyCredential) certificate(existing []directory.Certificate) (directory.Certificate, error) {
	i := slices.IndexFunc(existing, func(c directory.Certificate) bool { return k.KeyID != "" && arm.SameName(c.KeyID, k.KeyID) })
	if i >= 0 && k.Key == nil {
		return existing[i], nil
	}
	if k.Key == nil || k.Type != "AsymmetricX509Cert" || k.Usage != "Verify" || k.KeyID != "" && !arm.IsGUID(k.KeyID) {
		return directory.Certificate{}, errBadRequest("A key credential must have a key, the type 'AsymmetricX509Cert' and the usage 'Verify'.")
	}
	der, err := base64.StdEncoding.DecodeString(*k.Key)
	if err != nil {
		return directory.Certificate{}, errBadRequest("Key credential is not valid base64.")
	}
	c, err := directory.NewCertificate(k.KeyID, der)
	if err != nil {
		return c, err
	}
	if k.DisplayName != nil && len(*k.DisplayName) <= 120 && *k.DisplayName != "" {
		c.DisplayName = *k.DisplayName
	}
	return c, k.limitValidity(&c)
}

// limitValidity applies the client's start and end times, which can only shorten the certificate's validity.
func (k keyCredential) limitValidity(c *directory.Certificate) error {
	start, end := c.Start, c.End
	if err := setTime("startDateTime", &start, k.StartDateTime); err != nil {
		return err
	}
	if err := setTime("endDateTime", &end, k.EndDateTime); err != nil {
		return err
	}
	if start.After(c.Start) {
		c.Start = start
	}
	if end.After(c.End) || !c.Start.Before(end) {
		return errBadRequest("Key credential end date is invalid.")
	}
	c.End = end
	return nil
}

// setTime parses an optional RFC 3339 time. It leaves *at unchanged if given is nil.
func setTime(name string, at *time.Time, given *string) error {
	if given == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339, *given)
	if err != nil || t.Year() < 1 || t.Year() > 9998 {
		return errValue(name)
	}
	*at = t.UTC()
	return nil
}

// setURIs reads a list of distinct URIs that valid accepts.
func setURIs(name string, valid func(string) bool, at *[]string, raw json.RawMessage) error {
	var uris []string
	if json.Unmarshal(raw, &uris) != nil || len(uris) > 1000 {
		return errValue(name)
	}
	for i, uri := range uris {
		if !valid(uri) || slices.Contains(uris[:i], uri) {
			return errBadRequest("The value '%s' of property '%s' is invalid.", clip(uri), name)
		}
	}
	*at = uris
	return nil
}

// isWebRedirect accepts https URIs, and http URIs to a loopback host.
func isWebRedirect(s string) bool {
	u, err := url.Parse(s)
	if err != nil || !directory.SafeRedirect(s) || u.Host == "" || strings.Contains(s, "*") {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

// isPublicRedirect also accepts the custom schemes of native applications.
func isPublicRedirect(s string) bool {
	u, err := url.Parse(s)
	if err != nil || !directory.SafeRedirect(s) || strings.Contains(s, "*") {
		return false
	}
	return u.Scheme != "http" && u.Scheme != "https" || isWebRedirect(s)
}

func isLoopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

func appRoleObjects(roles []directory.AppRole) []object {
	objects := make([]object, 0, len(roles))
	for _, r := range roles {
		objects = append(objects, object{
			{"allowedMemberTypes", list(r.AllowedMemberTypes)}, {"description", orNull(r.Description)}, {"displayName", orNull(r.DisplayName)},
			{"id", r.ID}, {"isEnabled", r.Enabled}, {"origin", "Application"}, {"value", orNull(r.Value)},
		})
	}
	return objects
}

// setAppRoles replaces appRoles by the list.
func setAppRoles(a *application, raw json.RawMessage) error {
	var given []struct {
		ID                 string   `json:"id"`
		Value              *string  `json:"value"`
		DisplayName        string   `json:"displayName"`
		Description        string   `json:"description"`
		AllowedMemberTypes []string `json:"allowedMemberTypes"`
		IsEnabled          *bool    `json:"isEnabled"`
	}
	if json.Unmarshal(raw, &given) != nil {
		return errValue("appRoles")
	}
	ids, values := map[string]bool{}, map[string]bool{}
	var roles []directory.AppRole
	for _, g := range given {
		r := directory.AppRole{
			ID: arm.Fold(g.ID), DisplayName: g.DisplayName, Description: g.Description,
			AllowedMemberTypes: g.AllowedMemberTypes, Enabled: g.IsEnabled == nil || *g.IsEnabled,
		}
		if g.Value != nil {
			r.Value = *g.Value
		}
		badType := slices.ContainsFunc(r.AllowedMemberTypes, func(t string) bool { return t != "User" && t != "Application" })
		if !arm.IsGUID(r.ID) || ids[r.ID] || r.Value != "" && values[r.Value] || badType || len(r.AllowedMemberTypes) == 0 ||
			len(r.Value) > 120 || strings.ContainsAny(r.Value, " \t\r\n") || len(r.DisplayName) > 256 || len(r.Description) > 1024 || r.ID == directory.DefaultAppRole {
			return errValue("appRoles")
		}
		ids[r.ID], values[r.Value] = true, true
		roles = append(roles, r)
	}
	a.AppRoles = roles
	return nil
}
