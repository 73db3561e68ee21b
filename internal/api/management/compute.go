package management

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/compute"
	"midas/internal/identity"
	"midas/internal/resource"
	"midas/internal/store"
)

const (
	typeComputeOperations  arm.Type = "Microsoft.Compute/locations/operations"
	typeMachinesOfLocation arm.Type = "Microsoft.Compute/locations/virtualMachines"
	typeSetsOfLocation     arm.Type = "Microsoft.Compute/locations/virtualMachineScaleSets"
)

// computeOperations returns the operations on virtual machines, scale sets and machines of Azure Arc.
func (h *Handler) computeOperations() []Operation {
	rows := slices.Concat(
		h.resourceOperations(compute.VirtualMachine, arm.AtGroup, typeRules{located: true, async: true, change: h.Compute.Virtual}),
		h.resourceOperations(compute.ScaleSet, arm.AtGroup, typeRules{
			located: true, async: true, change: h.Compute.Set, check: compute.CheckSetIdentity, work: compute.ScaleOperation,
		}),
		[]Operation{
			{Method: "GET", Type: typeMachinesOfLocation, Target: arm.Collection, At: arm.AtSubscription, Perform: string(compute.VirtualMachine) + "/read", Filtered: true, Serve: h.listLocation(compute.VirtualMachine)},
			{Method: "GET", Type: typeSetsOfLocation, Target: arm.Collection, At: arm.AtSubscription, Perform: string(compute.ScaleSet) + "/read", Filtered: true, Serve: h.listLocation(compute.ScaleSet)},
			{Method: "GET", Type: compute.VirtualMachine + "/instanceView", Target: arm.Collection, Perform: string(compute.VirtualMachine) + "/instanceView/read", Serve: h.getInstanceView},
			{Method: "GET", Type: compute.ScaleSet + "/instanceView", Target: arm.Collection, Perform: string(compute.ScaleSet) + "/instanceView/read", Serve: h.getScaleSetView},
			{Method: "POST", Type: compute.ScaleSet, Target: arm.Action, Verb: "manualUpgrade", Perform: string(compute.ScaleSet) + "/manualUpgrade/action", Serve: h.upgradeInstances},
			{Method: "GET", Type: compute.Instance, Target: arm.Collection, Perform: string(compute.Instance) + "/read", Filtered: true, Serve: h.listType},
			{Method: "GET", Type: compute.Instance, Target: arm.Instance, Perform: string(compute.Instance) + "/read", Serve: h.getResource},
			{Method: "DELETE", Type: compute.Instance, Target: arm.Instance, Perform: string(compute.Instance) + "/delete", Serve: h.deleteResource(typeRules{async: true, remove: h.Compute.DeleteInstance})},
			{Method: "GET", Type: compute.Instance + "/instanceView", Target: arm.Collection, Perform: string(compute.Instance) + "/instanceView/read", Serve: h.getInstanceView},
			{Method: "GET", Type: typeComputeOperations, Target: arm.Instance, At: arm.AtSubscription, Perform: string(typeComputeOperations) + "/read", Own: h.isOperationStarter, Serve: h.getComputeOperation},
		})
	for i := range rows {
		rows[i].Free = true
		if rows[i].At == 0 {
			rows[i].At = arm.AtGroup
		}
	}
	return append(withVersions(computeVersions(), rows), withVersions(hybridVersions(),
		h.resourceOperations(compute.Machine, arm.AtGroup, typeRules{located: true, change: h.Compute.Hybrid}))...)
}

// expanded adds the instance view or the user data to a machine or a scale set if $expand asks for it.
func (h *Handler) expanded(r *Request, c identity.Resource) (identity.Resource, error) {
	var err error
	for asked := range strings.SplitSeq(r.Query.Get("$expand"), ",") {
		switch {
		case arm.SameName(asked, "instanceView") && (c.Type.Is(compute.VirtualMachine) || c.Type.Is(compute.Instance)):
			c.Record, err = compute.WithView(c.Record)
		case arm.SameName(asked, "userData"):
			c.Record, err = h.Compute.WithUserData(c.Record)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// listLocation returns the operation that lists the resources of a type in one location of a subscription. Its
// right is that to read the type, because the list shows no more than the list of the type.
func (h *Handler) listLocation(typ arm.Type) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, r *Request) (*Response, error) {
		location := arm.Location(r.ID().Name())
		if err := resource.CheckLocation(location, typ); err != nil {
			return nil, err
		}
		return h.listMatching(ctx, r, func(p page) (resource.Page, error) {
			return h.Resources.List(ctx, r.ID().SubscriptionScope(), typ, h.part(r, p))
		}, func(rec resource.Record) bool { return rec.Location == location })
	}
}

// expandsView reports whether $expand asks for the instance view.
func expandsView(r *Request) bool {
	for asked := range strings.SplitSeq(r.Query.Get("$expand"), ",") {
		if arm.SameName(asked, "instanceView") {
			return true
		}
	}
	return false
}

func (h *Handler) getInstanceView(ctx context.Context, r *Request) (*Response, error) {
	rec, err := h.Resources.Find(ctx, r.ID())
	if err != nil {
		return nil, err
	}
	return ok(compute.View(rec))
}

func (h *Handler) getScaleSetView(ctx context.Context, r *Request) (*Response, error) {
	rec, err := h.Resources.Find(ctx, r.ID())
	if err != nil {
		return nil, err
	}
	n, err := h.Compute.Count(ctx, r.ID())
	if err != nil {
		return nil, err
	}
	return ok(compute.ScaleSetView(rec, n))
}

// upgradeInstances only answers: a write of a scale set has already changed its machines.
func (h *Handler) upgradeInstances(ctx context.Context, r *Request) (*Response, error) {
	rec, err := h.Resources.Find(ctx, r.ID())
	if err != nil {
		return nil, err
	}
	response := &Response{Status: http.StatusAccepted, Header: http.Header{}}
	h.setAsyncHeaders(r, response.Header, rec.Location)
	return h.logged(ctx, r, response)
}

// setAsyncHeaders sets the headers of an asynchronous operation: the URL at which a client polls it, and the
// seconds to wait.
func (h *Handler) setAsyncHeaders(r *Request, header http.Header, location string) {
	subscription, name := r.ID().Subscription(), h.NewID()
	query := url.Values{"api-version": {string(r.Version)}, "t": {h.sealOperation(subscription, name, asyncOperation{h.Now(), r.Caller.ObjectID})}}
	header["Azure-Asyncoperation"] = []string{h.origin(r) + "/subscriptions/" + subscription + "/providers/Microsoft.Compute/locations/" +
		location + "/operations/" + name + "?" + query.Encode()}
	header["Azure-Asyncnotification"] = []string{"Enabled"}
	header["Retry-After"] = []string{"0"}
}

// isOperationStarter reports whether the caller has started the operation. The caller may poll it without a
// role in the subscription, because its role may be at a group and the operation's URL is at the subscription.
func (h *Handler) isOperationStarter(_ store.Tx, r *Request) (bool, error) {
	op, found := h.openOperation(r)
	return found && op.starter == r.Caller.ObjectID, nil
}

// getComputeOperation answers that the operation has succeeded: all operations end before their answer.
func (h *Handler) getComputeOperation(_ context.Context, r *Request) (*Response, error) {
	op, found := h.openOperation(r)
	if !found {
		return nil, arm.ErrOperationNotFound(r.ID().Name())
	}
	moment := strings.Replace(arm.Time(op.began), "Z", "+00:00", 1)
	return ok(wire.OperationStatus{StartTime: moment, EndTime: moment, Status: "Succeeded", Name: r.ID().Name()})
}

// computeVersions returns the versions of Microsoft.Compute that GET of the provider lists. All other
// well-formed versions are accepted too.
func computeVersions() []arm.Version {
	return []arm.Version{
		"2015-06-15", "2016-03-30", "2016-04-30-preview", "2017-03-30", "2017-12-01", "2018-04-01", "2018-06-01", "2018-10-01",
		"2019-03-01", "2019-07-01", "2019-12-01", "2020-06-01", "2020-12-01", "2021-03-01", "2021-04-01", "2021-07-01", "2021-11-01",
		"2022-03-01", "2022-08-01", "2022-11-01", "2023-03-01", "2023-07-01", "2023-09-01", "2024-03-01", "2024-07-01", "2024-11-01", "2025-04-01",
	}
}

func hybridVersions() []arm.Version {
	return []arm.Version{
		"2019-12-12", "2020-08-02", "2021-05-20", "2021-12-10-preview", "2022-03-10", "2022-11-10", "2022-12-27", "2023-10-03-preview",
		"2024-07-10", "2025-01-13",
	}
}
