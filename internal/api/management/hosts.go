package management

import (
	"context"
	"net/http"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/fleet"
)

// hostOperations are Midas's own operations on hosts. Azure has none, because its hypervisor knows which
// virtual machine sends a request.
func (h *Handler) hostOperations() []Operation {
	const hosts = string(fleet.Type) + "/"
	return withVersions([]arm.Version{"2026-11-01"}, []Operation{
		{Method: http.MethodPost, Type: fleet.Type, Target: arm.Action, Verb: "enroll", At: arm.AtResource, Perform: hosts + "enroll/action", Serve: h.enrollHost},
		{Method: http.MethodGet, Type: fleet.Type, Target: arm.Collection, At: arm.AtResource, Perform: hosts + "read", Serve: h.listHosts},
		{Method: http.MethodDelete, Type: fleet.Type, Target: arm.Instance, At: arm.AtResource, Perform: hosts + "delete", Serve: h.deleteHost},
	})
}

// enrollHost creates an enrollment token. The host does not exist yet, so its name in the path is always
// "default".
func (h *Handler) enrollHost(ctx context.Context, r *Request) (*Response, error) {
	if !arm.SameName(r.ID().Name(), "default") {
		return nil, arm.Errorf(http.StatusBadRequest, "InvalidHostName", "The host name of an enrollment must be 'default', not '%s'.", r.ID().Name())
	}
	token, err := h.Fleet.NewEnrollmentToken(ctx, h.event(r), r.ID().Parent())
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeEnrollmentToken(token))
}

func (h *Handler) listHosts(ctx context.Context, r *Request) (*Response, error) {
	found, err := h.Fleet.Hosts(ctx, r.ID())
	if err != nil {
		return nil, err
	}
	value := make([]wire.Host, len(found))
	for i := range found {
		value[i] = wire.EncodeHost(found[i])
	}
	return ok(wire.List[wire.Host]{Value: value})
}

func (h *Handler) deleteHost(ctx context.Context, r *Request) (*Response, error) {
	existed, err := h.Fleet.Revoke(ctx, h.event(r), r.ID().Parent(), r.ID().Name())
	if err != nil {
		return nil, err
	}
	return deleted(existed)
}
