package lab

// status is the body of GET /lab/v1: what is in force.
type status struct {
	Clock       clockState `json:"clock"`
	Faults      []rule     `json:"faults"`
	Delays      delays     `json:"delays"`
	ReservedIDs int        `json:"reservedIds"`
}

func (h *Handler) status(*request) (any, error) {
	return status{h.clockState(), h.Faults.list(), h.Delays.status(), h.IDs.count()}, nil
}
