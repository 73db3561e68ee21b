package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"midas/internal/arm"
	"midas/internal/host"
	"midas/internal/identity"
	"midas/internal/resource"
	"midas/internal/store"
)

// State returns the identities of a host and the description of its resource. The version is a hash of both,
// so it changes whenever they do. Nothing in it is from an earlier revision than its Revision.
func (f *Fleet) State(ctx context.Context, h Host) (host.State, error) {
	var state host.State
	revision := f.head() // before the first read
	principals, err := f.principals(ctx, h.id)
	if err != nil {
		return host.State{}, err
	}
	state.Principals = principals
	if state.Instance, err = f.Describe(ctx, h); err != nil {
		return host.State{}, err
	}
	data, err := json.Marshal(state)
	if err != nil {
		return host.State{}, fmt.Errorf("encode the state of %s: %w", h.id, err)
	}
	sum := sha256.Sum256(data)
	state.Version, state.Revision = hex.EncodeToString(sum[:16]), uint64(revision)
	return state, nil
}

// head returns the newest revision that Recent shows; 0 in a store that only this process writes, where it shows all.
func (f *Fleet) head() store.Revision {
	if f.Head == nil {
		return 0
	}
	return f.Head()
}

// Since returns a context in which Recent shows at least a revision of which a host has heard, maybe from another
// replica. The number is only as true as the host: it can make a read fresh, and nothing else. After a restore of the
// store to earlier revisions, every read is fresh until the host hears of one of these.
func (f *Fleet) Since(ctx context.Context, heard uint64) context.Context {
	if f.Head == nil || heard <= uint64(f.Head()) {
		return ctx
	}
	return store.Fresh(ctx)
}

// principals returns the principals that a workload on the resource can get tokens for.
func (f *Fleet) principals(ctx context.Context, id arm.ID) ([]host.Principal, error) {
	block, err := f.Identities.ResourceIdentity(ctx, identityResource(id))
	if err != nil {
		return nil, err
	}
	var oids []string
	if block.PrincipalID != "" {
		oids = append(oids, block.PrincipalID)
	}
	for i := range block.UserAssigned {
		oid, _ := block.Assigned(i)
		oids = append(oids, oid)
	}
	all := []host.Principal{}
	for _, oid := range oids {
		p, err := f.Identities.Workload(ctx, id, host.Selector{ObjectID: oid})
		if errors.Is(err, host.ErrNotAssigned) {
			continue // the resource refers to a deleted identity
		}
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// identityResource returns the resource that has the identities of a host: for a machine of a scale set, the
// scale set.
func identityResource(id arm.ID) arm.ID {
	if id.Type().Is(identity.ScaleSetInstance) {
		return id.Parent()
	}
	return id
}

// maxInterfaces is the maximum number of network interfaces in a description.
const maxInterfaces = 8

// Describe returns the description of a host's resource.
func (f *Fleet) Describe(ctx context.Context, h Host) (in host.Instance, err error) {
	err = f.Store.Recent(ctx, func(tx store.Tx) error {
		rec, err := f.Resources.Get(tx, h.id)
		if err != nil {
			return err
		}
		if rec, err = f.UserData(rec); err != nil {
			return err
		}
		in = instance(h.id, rec)
		in.Interfaces, err = f.interfaces(tx, h.id, rec)
		return err
	})
	return in, err
}

func instance(id arm.ID, rec resource.Record) host.Instance {
	in := host.Instance{
		ID: rec.ID, TenantID: rec.TenantID, SubscriptionID: id.Subscription(), ResourceGroup: id.ResourceGroup(),
		Type: string(rec.Type), Name: rec.Name, Location: rec.Location, Tags: rec.Tags, UniqueID: uniqueID(id, rec),
		Plan: rec.Extra["plan"], Properties: rec.Properties,
	}
	_ = json.Unmarshal(rec.Extra["zones"], &in.Zones) // an invalid list is treated as none
	return in
}

// uniqueID is a GUID of the resource. A later resource of the same name has another one.
func uniqueID(id arm.ID, rec resource.Record) string {
	sum := sha256.Sum256([]byte(id.Key() + "\x00" + strconv.FormatInt(made(rec), 10)))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // version 8 (RFC 9562), for values that are computed
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// interfaces returns the properties of those network interfaces of the resource that are in its resource
// group. Others are left out, because the caller who wrote the resource may not have the right to read them.
func (f *Fleet) interfaces(tx store.Tx, id arm.ID, rec resource.Record) ([]json.RawMessage, error) {
	var named struct {
		Profile struct {
			Interfaces []struct {
				ID string `json:"id"`
			} `json:"networkInterfaces"`
		} `json:"networkProfile"`
	}
	if json.Unmarshal(rec.Properties, &named) != nil {
		return nil, nil // properties of another shape name no interfaces
	}
	var all []json.RawMessage
	for _, n := range named.Profile.Interfaces[:min(maxInterfaces, len(named.Profile.Interfaces))] {
		nic, err := arm.ParseID(n.ID)
		if err != nil || nic.GroupScope().Key() != id.GroupScope().Key() || nic.Type().Key() != "microsoft.network/networkinterfaces" {
			continue
		}
		found, err := f.Resources.Get(tx, nic)
		var missing *arm.Error
		if errors.As(err, &missing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found.Properties)
	}
	return all, nil
}
