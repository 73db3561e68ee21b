package graph

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"midas/internal/directory"
	"midas/internal/store"
)

func groupSchema() *schema[directory.Group] {
	type group = directory.Group
	extra := opaque[group](func(g *group) *map[string]json.RawMessage { return &g.Extra })
	null := func(name string) field[group] { return readOnly(name, notQueryable, func(group) any { return nil }) }
	none := func(name string) field[group] {
		return readOnly(name, notQueryable, func(group) any { return []string{} })
	}
	created := func(g group) any { return timeOrNull(g.Created) }
	securityEnabled := constant[group]("securityEnabled", true)
	securityEnabled.use = boolean
	mailEnabled := constant[group]("mailEnabled", false)
	mailEnabled.use = boolean
	groupTypes := constant[group]("groupTypes", []string{})
	groupTypes.use = collection
	assignable := constant[group]("isAssignableToRole", nil)
	assignable.use = boolean
	return &schema[group]{typ: "group", set: "groups", class: "Group", fields: []field[group]{
		{name: "id", use: text, get: func(g group) any { return g.ID }},
		null("deletedDateTime"), extra.property("classification", "null"),
		readOnly("createdDateTime", dateTime, created), none("creationOptions"),
		writableText("description", 1024, func(g *group) *string { return &g.Description }),
		requiredText("Group", "displayName", 256, func(g *group) *string { return &g.DisplayName }),
		null("expirationDateTime"), groupTypes, assignable,
		null("mail"), mailEnabled,
		writableText("mailNickname", 64, func(g *group) *string { return &g.MailNickname }),
		null("membershipRule"), null("membershipRuleProcessingState"), null("onPremisesDomainName"),
		null("onPremisesLastSyncDateTime"), null("onPremisesNetBiosName"), null("onPremisesSamAccountName"),
		null("onPremisesSecurityIdentifier"), null("onPremisesSyncEnabled"),
		extra.property("preferredDataLocation", "null"), extra.property("preferredLanguage", "null"), none("proxyAddresses"),
		readOnly("renewedDateTime", dateTime, created), none("resourceBehaviorOptions"), none("resourceProvisioningOptions"),
		securityEnabled, readOnly("securityIdentifier", notQueryable, func(g group) any { return securityIdentifier(g.ID) }),
		extra.property("theme", "null"), extra.property("visibility", "null"), none("onPremisesProvisioningErrors"),
		none("serviceProvisioningErrors"),
	}}
}

// securityIdentifier is the Windows SID that Entra derives from an object id.
func securityIdentifier(id string) any {
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(b) != 16 {
		return nil
	}
	return fmt.Sprintf("S-1-12-1-%d-%d-%d-%d", binary.BigEndian.Uint32(b),
		uint32(binary.BigEndian.Uint16(b[6:]))<<16|uint32(binary.BigEndian.Uint16(b[4:])),
		binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:]))
}

func (h *Handler) groupSource(tenant string) source[directory.Group] {
	id := func(g directory.Group) string { return g.ID }
	return source[directory.Group]{
		shape: h.groups, cursor: id,
		after: listByID(func(tx store.Tx, after string, limit int) ([]directory.Group, error) {
			return h.Directory.Groups(tx, tenant, after, limit)
		}, id),
		direct: func(tx store.Tx, f *filter) ([]directory.Group, bool, error) {
			if id, known := f.equal("id"); known {
				return oneOrNone(h.Directory.Group(tx, tenant, id))
			}
			return nil, false, nil
		},
	}
}

func (h *Handler) listGroups(ctx context.Context, req *Request) (*Response, error) {
	return pageResponse(ctx, h, req, h.groupSource(req.Caller.tenant))
}

func (h *Handler) countGroups(ctx context.Context, req *Request) (*Response, error) {
	return countResponse(ctx, h, req, h.groupSource(req.Caller.tenant))
}

func (h *Handler) getGroup(ctx context.Context, req *Request) (_ *Response, err error) {
	var g directory.Group
	err = h.Store.View(ctx, func(tx store.Tx) error {
		g, err = h.Directory.Group(tx, req.Caller.tenant, req.Object.id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return entityResponse(req, h.groups, g)
}

func (h *Handler) createGroup(ctx context.Context, req *Request) (*Response, error) {
	owners, err := takeReferences(req.Body, "owners")
	if err != nil {
		return nil, err
	}
	members, err := takeReferences(req.Body, "members")
	if err != nil {
		return nil, err
	}
	g := directory.Group{TenantID: req.Caller.tenant, Created: h.Now().UTC()}
	if err := h.groups.apply(&g, req.Body); err != nil {
		return nil, err
	}
	for name, missing := range map[string]bool{
		"displayName": g.DisplayName == "", "mailNickname": g.MailNickname == "",
		"mailEnabled": req.Body["mailEnabled"] == nil, "securityEnabled": req.Body["securityEnabled"] == nil,
	} {
		if missing {
			return nil, errBadRequest("A value is required for property '%s' of resource 'Group'.", name)
		}
	}
	g.ID = h.Directory.NewObjectID(directory.ReservedGroup, g.DisplayName, h.NewID)
	err = h.update(ctx, req, func(tx store.Tx) error {
		if err := h.Directory.CreateGroup(tx, g); err != nil {
			return err
		}
		if err := h.addReferences(tx, ownersOf, g.TenantID, g.ID, owners); err != nil {
			return err
		}
		return h.addReferences(tx, membersOf, g.TenantID, g.ID, members)
	})
	if err != nil {
		return nil, err
	}
	h.Directory.UsedIDs(directory.ReservedGroup, g.DisplayName)
	return createdResponse(req, h.groups, g, g.ID), nil
}

func (h *Handler) updateGroup(ctx context.Context, req *Request) (*Response, error) {
	members, err := takeReferences(req.Body, "members")
	if err != nil {
		return nil, err
	}
	err = h.update(ctx, req, func(tx store.Tx) error {
		g, err := h.Directory.Group(tx, req.Caller.tenant, req.Object.id)
		if err != nil {
			return err
		}
		if err := h.groups.apply(&g, req.Body); err != nil {
			return err
		}
		if err := h.Directory.UpdateGroup(tx, g); err != nil {
			return err
		}
		return h.addReferences(tx, membersOf, req.Caller.tenant, req.Object.id, members)
	})
	if err != nil {
		return nil, err
	}
	return noContentResponse(), nil
}

func (h *Handler) deleteGroup(ctx context.Context, req *Request) (*Response, error) {
	return h.remove(ctx, req, func(tx store.Tx) error {
		return h.Directory.DeleteGroup(tx, req.Caller.tenant, req.Object.id)
	})
}
