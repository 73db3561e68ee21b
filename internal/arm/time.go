package arm

import "time"

// Time formats a time as ARM does: UTC with seven decimals.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
