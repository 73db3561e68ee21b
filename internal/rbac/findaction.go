package rbac

import (
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Found says whether an action exists, as far as the built-in roles tell.
type Found struct {
	Exact      bool   // a role names it in full
	OtherPlane bool   // it is an action of the control plane if a data action was looked for, or the reverse
	Similar    string // the action with the most similar name; empty if there is none that is similar enough
}

// Bounds of the search for a similar name, in bytes.
const (
	maxSearched = 200 // longer actions are not searched for
	maxDistance = 3   // bytes that differ
)

// FindAction looks for an action, which is folded, among those that built-in roles name in full and others that the
// caller knows.
func (s *Service) FindAction(tx store.Tx, wanted string, data bool, others []string) (f Found, err error) {
	library, err := s.library(tx)
	if err != nil {
		return Found{}, err
	}
	names, err := library.actions()
	if err != nil {
		return Found{}, err
	}
	own, other := names.control, names.data
	if data {
		own, other, others = names.data, names.control, nil
	}
	if _, f.Exact = own[wanted]; f.Exact {
		return f, nil
	}
	if _, f.OtherPlane = other[wanted]; f.OtherPlane || len(wanted) > maxSearched {
		return f, nil
	}
	best := maxDistance + 1
	consider := func(folded, spelled string) {
		if d := distance(wanted, folded, best); d < best || d == best && d <= maxDistance && spelled < f.Similar {
			best, f.Similar = d, spelled
		}
	}
	for folded, spelled := range own {
		consider(folded, spelled)
	}
	for _, spelled := range others {
		consider(arm.Fold(spelled), spelled)
	}
	return f, nil
}

// spelledActions are actions by their folded names.
type spelledActions struct{ control, data map[string]string }

// collectActions returns the actions that the roles of the library name in full.
func (l *library) collectActions() (names spelledActions, err error) {
	all, err := l.all()
	names = spelledActions{control: map[string]string{}, data: map[string]string{}}
	add := func(to map[string]string, patterns []string) {
		for _, p := range patterns {
			if strings.Contains(p, "*") {
				continue
			}
			if was, known := to[arm.Fold(p)]; !known || p < was { // the same spelling each time
				to[arm.Fold(p)] = p
			}
		}
	}
	for _, d := range all {
		for _, p := range d.Permissions {
			add(names.control, slices.Concat(p.Actions, p.NotActions))
			add(names.data, slices.Concat(p.DataActions, p.NotDataActions))
		}
	}
	return names, err
}

// distance is the number of bytes to insert, delete, replace or exchange with a neighbour to make b of a, or more
// than most if it is larger.
func distance(a, b string, most int) int {
	if max(len(a), len(b))-min(len(a), len(b)) > most {
		return most + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > most {
			return most + 1
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
