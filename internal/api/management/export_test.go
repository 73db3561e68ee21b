package management

import (
	"context"
	"net/http/httptest"
	"strings"

	"midas/internal/arm"
	"midas/internal/rbac"
)

// Surface is the operation table, for tests that go through all of it.
func (h *Handler) Surface() []Operation { return h.table.operations }

// ExportTemplate is exportTemplate for a caller who has the right to it. No built-in role allows exportTemplate
// at a group without allowing to read all of the group.
func (h *Handler) ExportTemplate(ctx context.Context, caller rbac.Caller, group, body string) (any, error) {
	id, err := arm.ParseID(group)
	if err != nil {
		return nil, err
	}
	response, err := h.exportTemplate(ctx, &Request{HTTP: httptest.NewRequest("POST", "/", strings.NewReader(body)), Path: arm.Path{ID: id}, Caller: caller})
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}
