package state

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/resource"
)

// do sends the requests of one step.
func (p *Plan) do(ctx context.Context, s *Step) error {
	if s.Action == Delete {
		return p.server.call(ctx, http.MethodDelete, s.path, nil, nil)
	}
	o := s.object
	switch o.kind {
	case kindUser:
		return p.writeUser(ctx, s)
	case kindGroup:
		return p.writeGroup(ctx, s)
	case kindApplication:
		return p.writeApplication(ctx, s)
	case kindSecret:
		return p.addSecret(ctx, o)
	case kindAppFederated:
		return p.writeAppFederated(ctx, s)
	case kindMember:
		return p.addMember(ctx, o)
	case kindRoleAssignment:
		return p.assign(ctx, s)
	case kindHost:
		return p.enroll(ctx, o)
	}
	return p.put(ctx, s)
}

// put writes an object of Resource Manager.
func (p *Plan) put(ctx context.Context, s *Step) error {
	o, version, id := s.object, versionCore, s.object.id
	body := overlay(writable(s.entry), o.body)
	switch o.kind {
	case kindIdentity:
		version = versionIdentity
	case kindFederated:
		version, body = versionFederated, o.body
	case kindResource:
		version = versionResource
		if v, declared := o.body[apiVersionKey].(string); declared {
			version = v
		}
	case kindCustomRole:
		version = versionRole
		var err error
		if id, err = arm.ParseID(strings.TrimSuffix(roleHome(o.scope), "/") + "/providers/" + string(typeRoleDefinition) + "/" + o.guid); err != nil {
			return err
		}
	}
	var made map[string]any
	if err := p.server.call(ctx, http.MethodPut, armPath(id, "", version), body, &made); err != nil {
		return err
	}
	p.world.made(o, made)
	if o.kind == kindCustomRole {
		p.world.mu.Lock()
		p.world.roles[o.key] = arm.Fold(o.guid)
		p.world.mu.Unlock()
	}
	return nil
}

// roleHome is the scope below which a role definition that can be assigned at a scope is addressed.
func roleHome(scope arm.ID) string { return scope.SubscriptionScope().String() }

// writable returns an entry without what only servers set.
func writable(entry map[string]any) map[string]any {
	body := maps.Clone(entry)
	for _, name := range []string{"id", "name", "type", "etag", "systemData"} {
		delete(body, name)
	}
	if properties, is := body["properties"].(map[string]any); is {
		properties = maps.Clone(properties)
		for _, name := range []string{"provisioningState", "createdOn", "updatedOn", "createdBy", "updatedBy", "principalId", "clientId", "tenantId", "timeCreated", "vmId", "uniqueId"} {
			delete(properties, name)
		}
		body["properties"] = properties
	}
	return body
}

// compared returns what of an object is compared: resources without the secrets that no server returns.
func compared(o *object) map[string]any {
	properties, is := o.body["properties"].(map[string]any)
	if o.kind != kindResource || !is {
		return o.body
	}
	text, err := json.Marshal(properties)
	if err != nil {
		return o.body
	}
	kept, err := resource.WithoutSecrets(resource.Record{ID: o.id.String(), Type: o.id.Type(), Name: o.id.Name(), Properties: text})
	var rest map[string]any
	if err != nil || len(kept.Properties) > 0 && decodeNumbers(kept.Properties, &rest) != nil {
		return o.body
	}
	body := maps.Clone(o.body)
	body["properties"] = rest
	return body
}

// sent returns the declared properties without those that are not of the API.
func sent(body map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range body {
		if !strings.HasPrefix(name, "\x00") {
			out[name] = value
		}
	}
	return out
}

// changed returns the declared properties that differ, with what the server has beside them.
func changed(s *Step) map[string]any {
	body := map[string]any{}
	for _, d := range s.Differences {
		name, _, _ := strings.Cut(d.Path, ".")
		value, declared := s.object.body[name]
		if !declared {
			continue
		}
		want, isMap := value.(map[string]any)
		if have, hasMap := s.entry[name].(map[string]any); isMap && hasMap {
			value = overlay(have, want)
		}
		body[name] = value
	}
	return body
}

func (p *Plan) writeUser(ctx context.Context, s *Step) error {
	o := s.object
	if s.Action == Change {
		return p.server.call(ctx, http.MethodPatch, graphPath+"users/"+textAt(s.entry, "id"), changed(s), nil)
	}
	alias, _, _ := strings.Cut(o.label, "@")
	body := map[string]any{"accountEnabled": true, "displayName": alias, "mailNickname": alias}
	maps.Copy(body, sent(o.body))
	password := o.secret
	if password == "" {
		password = newPassword()
	}
	body["passwordProfile"] = map[string]any{"password": password, "forceChangePasswordNextSignIn": o.body[forceChangeKey] == true}
	var made map[string]any
	if err := p.server.call(ctx, http.MethodPost, graphPath+"users", body, &made); err != nil {
		return err
	}
	p.world.made(o, made)
	if o.secret != "" {
		return nil
	}
	return p.secrets.keep(func(f *secretsFile) { f.Users[o.label] = password })
}

// newPassword returns a random password with characters of all kinds, as the rules for passwords want.
func newPassword() string { return "aA1-" + rand.Text() }

func (p *Plan) writeGroup(ctx context.Context, s *Step) error {
	o := s.object
	if s.Action == Change {
		return p.server.call(ctx, http.MethodPatch, graphPath+"groups/"+textAt(s.entry, "id"), changed(s), nil)
	}
	body := map[string]any{"mailEnabled": false, "securityEnabled": true, "mailNickname": alias(o.label)}
	maps.Copy(body, sent(o.body))
	var made map[string]any
	if err := p.server.call(ctx, http.MethodPost, graphPath+"groups", body, &made); err != nil {
		return err
	}
	p.world.made(o, made)
	return nil
}

// alias returns a name without the characters that a mailNickname cannot have.
func alias(name string) string {
	kept := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return -1
	}, name)
	if kept == "" {
		return "group"
	}
	return kept[:min(len(kept), 64)]
}

func (p *Plan) writeApplication(ctx context.Context, s *Step) error {
	o, entry := s.object, s.entry
	if s.Action == Create {
		if err := p.server.call(ctx, http.MethodPost, graphPath+"applications", sent(o.body), &entry); err != nil {
			return err
		}
	} else if body := changed(s); len(body) > 0 {
		if err := p.server.call(ctx, http.MethodPatch, graphPath+"applications/"+textAt(entry, "id"), body, nil); err != nil {
			return err
		}
	}
	if p.world.principal(&reference{kind: o.kind, key: o.key}) == "" {
		var principal map[string]any
		if err := p.server.call(ctx, http.MethodPost, graphPath+"servicePrincipals", map[string]any{"appId": textAt(entry, "appId")}, &principal); err != nil {
			return err
		}
		p.world.mu.Lock()
		p.world.owners[arm.Fold(textAt(entry, "appId"))] = textAt(principal, "id")
		p.world.mu.Unlock()
	}
	p.world.made(o, entry)
	return nil
}

// addSecret adds a secret that the server makes, or that it has reserved. How long it is valid is the server's default,
// by the clock of the server.
func (p *Plan) addSecret(ctx context.Context, o *object) error {
	app := p.world.entry(o.parent.index())
	credential := map[string]any{"displayName": textAt(o.body, "displayName")}
	var made map[string]any
	if err := p.server.call(ctx, http.MethodPost, graphPath+"applications/"+textAt(app, "id")+"/addPassword", map[string]any{"passwordCredential": credential}, &made); err != nil {
		return err
	}
	switch {
	case o.secret == "":
	case textAt(made, "secretText") != o.secret:
		return errors.New("the server has made another secret than that of the file; delete it and run the command again")
	default:
		return nil
	}
	application, name := textAt(app, "displayName"), textAt(o.body, "displayName")
	return p.secrets.keep(func(f *secretsFile) {
		if f.Applications[application] == nil {
			f.Applications[application] = map[string]string{}
		}
		f.Applications[application][name] = textAt(made, "secretText")
	})
}

func (p *Plan) writeAppFederated(ctx context.Context, s *Step) error {
	path := betaPath + "applications/" + textAt(p.world.entry(s.object.parent.index()), "id") + "/federatedIdentityCredentials"
	if s.Action == Change {
		return p.server.call(ctx, http.MethodPatch, path+"/"+textAt(s.entry, "id"), changed(s), nil)
	}
	return p.server.call(ctx, http.MethodPost, path, s.object.body, nil)
}

func (p *Plan) addMember(ctx context.Context, o *object) error {
	group := textAt(p.world.entry(o.parent.index()), "id")
	body := map[string]any{"@odata.id": p.server.Endpoint + graphPath + "directoryObjects/" + p.world.principal(o.to)}
	return p.server.call(ctx, http.MethodPost, graphPath+"groups/"+group+"/members/$ref", body, nil)
}

func (p *Plan) assign(ctx context.Context, s *Step) error {
	o, role, principal := s.object, p.role(s.object.role), p.world.principal(s.object.to)
	guid := o.guid
	if s.Action == Change {
		guid = textAt(s.entry, "name")
	} else if guid == "" {
		guid = guidOf(assignmentKey(o.scope, role, principal))
	}
	have, _ := s.entry["properties"].(map[string]any)
	properties := map[string]any{}
	for _, name := range []string{"description", "condition", "conditionVersion"} {
		if have[name] != nil {
			properties[name] = have[name]
		}
	}
	if want, is := o.body["properties"].(map[string]any); is {
		maps.Copy(properties, want)
	}
	properties["roleDefinitionId"] = strings.TrimSuffix(roleHome(o.scope), "/") + "/providers/" + string(typeRoleDefinition) + "/" + role
	properties["principalId"] = principal
	path := armPath(o.scope, "/providers/"+string(typeRoleAssignment)+"/"+guid, versionRole)
	return p.server.call(ctx, http.MethodPut, path, map[string]any{"properties": properties}, nil)
}

func (p *Plan) enroll(ctx context.Context, o *object) error {
	id, err := arm.ParseID(o.label)
	if err != nil {
		return err
	}
	var made struct {
		ID      string    `json:"resourceId"`
		Token   string    `json:"token"`
		Expires time.Time `json:"expiresOn"`
	}
	if err := p.server.call(ctx, http.MethodPost, armPath(id, "/providers/Midas.Hosts/hosts/default/enroll", versionHost), map[string]any{}, &made); err != nil {
		return err
	}
	return p.secrets.keep(func(f *secretsFile) { f.Hosts[o.key] = HostToken{made.Token, made.Expires} })
}
