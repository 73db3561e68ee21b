package federation

import (
	"context"
	"time"
)

// Inspection is what the server knows of an issuer.
type Inspection struct {
	Listed  bool   // the operator lists the issuer
	Private bool   // and allows private addresses
	File    string // the file of its keys; empty if they are fetched

	Known   bool         // the keys were read or fetched
	Kids    []string     // the key ids of the keys that can be used
	Skipped []SkippedKey // some of the other keys

	Fetched time.Time     // when the keys were fetched
	Fresh   time.Duration // for how long they are used without being fetched again

	Tried   time.Time    // when the keys were last asked for
	Failure *IssuerError // why they could not be fetched then; nil if they could be
}

// Inspect returns what is known of an issuer. It makes no request.
func (i *Issuers) Inspect(_ context.Context, issuer string) Inspection {
	var seen Inspection
	source := i.others.get(issuer)
	if listed := i.listed[issuer]; listed != nil {
		seen.Listed, seen.Private, seen.File, source = true, listed.settings.Private, listed.settings.JWKS, listed.source
		if listed.file != nil {
			seen.keys(listed.file.read(i.now(), i.log))
		}
	}
	if source == nil {
		return seen
	}
	state := source.state.Load()
	seen.keys(state.usable(i.now()))
	seen.Fetched, seen.Fresh, seen.Tried, seen.Failure = state.fetched, state.fresh, state.tried, state.failure
	return seen
}

// keys notes the keys of the issuer.
func (s *Inspection) keys(set *keySet) {
	if set == nil {
		return
	}
	s.Known, s.Skipped = true, set.skipped
	for _, k := range set.keys {
		s.Kids = append(s.Kids, k.kid)
	}
}
