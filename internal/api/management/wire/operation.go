package wire

// OperationStatus is a long-running operation in an answer.
type OperationStatus struct {
	StartTime string `json:"startTime"`
	EndTime   string `json:"endTime,omitempty"`
	Status    string `json:"status"`
	Name      string `json:"name"`
}
