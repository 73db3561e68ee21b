// Package rolelint finds role assignments and roles that are probably mistakes, and ways in which a principal can get
// more rights than it has been assigned.
//
// It reads one revision of the store. What it keeps is bounded: if there is more, it says that the result is not
// complete.
package rolelint
