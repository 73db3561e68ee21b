package backup

// The kinds that restores leave out.
var (
	EndedKinds   = endedKinds
	RunningKinds = runningKinds
)
