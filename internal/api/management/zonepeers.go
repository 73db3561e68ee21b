package management

import (
	"context"
	"net/http"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/store"
)

// maxPeers is the maximum number of subscriptions of one comparison.
const maxPeers = 100

// checkZonePeers compares the logical zones of a subscription with those of others. All subscriptions have the same
// mapping, so each zone is its own peer. A subscription that the caller cannot see is one that does not exist.
func (h *Handler) checkZonePeers(ctx context.Context, r *Request) (*Response, error) {
	var body wire.ZonePeersBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if body.Location == "" || len(body.SubscriptionIDs) == 0 {
		return nil, arm.ErrInvalidContent("Required property 'location' or 'subscriptionIds' not found in JSON. Path ''")
	}
	if len(body.SubscriptionIDs) > maxPeers {
		return nil, arm.Errorf(http.StatusBadRequest, "TooManySubscriptions", "At most %d subscriptions can be compared.", maxPeers)
	}
	peers := make([]string, len(body.SubscriptionIDs))
	for i, given := range body.SubscriptionIDs {
		peer, err := h.peer(ctx, r, given)
		if err != nil {
			return nil, err
		}
		peers[i] = peer
	}
	zones, _ := wire.ZonesOf(body.Location)
	return ok(wire.EncodeZonePeers(r.ID().Subscription(), body.Location, zones, peers))
}

// peer returns the GUID of a subscription that the caller can see. The client gives it with or without
// "subscriptions/" before it.
func (h *Handler) peer(ctx context.Context, r *Request, given string) (string, error) {
	text := strings.TrimPrefix(given, "/")
	if before, rest, found := strings.Cut(text, "/"); found && arm.SameName(before, "subscriptions") {
		text = rest
	}
	guid, valid := arm.ParseGUID(text)
	if !valid {
		return "", arm.Errorf(http.StatusBadRequest, "InvalidSubscriptionId", "The provided subscription identifier '%s' is malformed or invalid.", given)
	}
	id, err := arm.ParseID("/subscriptions/" + guid)
	if err != nil {
		return "", arm.ErrSubscriptionNotFound(guid)
	}
	visible := false
	err = h.Store.View(ctx, func(tx store.Tx) error {
		visible = false
		rec, err := h.Resources.Subscription(tx, id)
		if arm.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		visible, err = h.visible(tx, r, rec)
		return err
	})
	if err == nil && !visible {
		err = arm.ErrSubscriptionNotFound(guid)
	}
	return guid, err
}
