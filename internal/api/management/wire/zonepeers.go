package wire

// ResourceName is the body of checkResourceName, and with the status its answer.
type ResourceName struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Status string `json:"status"`
}

// ZonePeersBody is the body of checkZonePeers.
type ZonePeersBody struct {
	Location        string   `json:"location"`
	SubscriptionIDs []string `json:"subscriptionIds"`
}

// ZonePeers is the answer of checkZonePeers.
type ZonePeers struct {
	SubscriptionID string        `json:"subscriptionId"`
	Location       string        `json:"location"`
	Peers          []PeersOfZone `json:"availabilityZonePeers"`
}

// PeersOfZone is the peers of one logical zone.
type PeersOfZone struct {
	Zone  string     `json:"availabilityZone"`
	Peers []ZonePeer `json:"peers"`
}

// ZonePeer is a logical zone of another subscription.
type ZonePeer struct {
	SubscriptionID string `json:"subscriptionId"`
	Zone           string `json:"availabilityZone"`
}

// EncodeZonePeers encodes the peers of each zone, which has the same number in every subscription.
func EncodeZonePeers(subscription, location string, zones []ZoneMapping, peers []string) ZonePeers {
	out := ZonePeers{SubscriptionID: subscription, Location: location, Peers: []PeersOfZone{}}
	for _, zone := range zones {
		one := PeersOfZone{Zone: zone.LogicalZone, Peers: []ZonePeer{}}
		for _, peer := range peers {
			one.Peers = append(one.Peers, ZonePeer{SubscriptionID: peer, Zone: zone.LogicalZone})
		}
		out.Peers = append(out.Peers, one)
	}
	return out
}
