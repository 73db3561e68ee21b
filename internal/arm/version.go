package arm

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Version is an api-version: a date, optionally with a suffix such as -preview.
type Version string

// Preview reports whether a version has a suffix.
func (v Version) Preview() bool { return len(v) > len("2006-01-02") }

// Compare orders versions by date. A preview comes before the release of the same date.
func (v Version) Compare(other Version) int {
	if c := cmp.Compare(v.date(), other.date()); c != 0 {
		return c
	}
	if v.Preview() != other.Preview() {
		if v.Preview() {
			return -1
		}
		return 1
	}
	return strings.Compare(Fold(string(v)), Fold(string(other)))
}

func (v Version) date() string {
	return string(v[:min(len(v), len("2006-01-02"))])
}

// Find returns the version of a list that is equal to the one that a client asked for, without case.
func Find(versions []Version, asked string) (Version, bool) {
	i := slices.IndexFunc(versions, func(v Version) bool { return SameName(string(v), asked) })
	if i < 0 {
		return "", false
	}
	return versions[i], true
}

// WellFormed reports whether a text can be an api-version: a date, optionally with a suffix.
func WellFormed(version string) bool {
	if len(version) > 40 || len(version) < len(time.DateOnly) {
		return false
	}
	if _, err := time.Parse(time.DateOnly, version[:len(time.DateOnly)]); err != nil {
		return false
	}
	word, marked := strings.CutPrefix(version[len(time.DateOnly):], "-")
	return !marked && word == "" || marked && ValidLocation(Fold(word))
}
