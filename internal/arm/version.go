package arm

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Version is an api-version: a date, perhaps with a suffix such as -preview.
type Version string

// Preview reports whether a version carries a suffix.
func (v Version) Preview() bool { return len(v) > len("2006-01-02") }

// Compare orders versions by date; of one date, the preview comes before the release.
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

// Find gives the version in a list that equals a client's, in any case.
func Find(versions []Version, asked string) (Version, bool) {
	i := slices.IndexFunc(versions, func(v Version) bool { return SameName(string(v), asked) })
	if i < 0 {
		return "", false
	}
	return versions[i], true
}

// WellFormed reports whether a text can be an api-version: a date, perhaps with a suffix.
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
