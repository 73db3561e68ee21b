package rolelint

// Severity says how bad a finding is.
type Severity string

// The severities. Error and Warning make midas lint fail.
const (
	Error   Severity = "error"   // a protection that does not protect
	Warning Severity = "warning" // more rights than somebody may expect, or an assignment without effect
	Info    Severity = "info"    // worth knowing
)

// Finding is one result.
type Finding struct {
	Severity Severity `json:"severity"`
	Rule     string   `json:"rule"`
	Subject  string   `json:"subject"` // the id of the assignment or of the role
	Message  string   `json:"message"`
}
