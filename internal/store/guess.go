package store

import "sync/atomic"

// guess is a kind of guess that saves a question to the database and whose check is part of a commit. After a wrong one,
// the next ones are not made, the more of them the more were wrong. It is safe for concurrent use, and need not be exact.
type guess struct {
	pause atomic.Int32 // how many were not made after the last wrong one; fewer after right ones
	skip  atomic.Int32 // how many are still not made
}

const longestGuessPause = 256

// allowed reports whether to guess.
func (g *guess) allowed() bool {
	if g.skip.Load() <= 0 {
		return true
	}
	g.skip.Add(-1)
	return false
}

func (g *guess) right() {
	if pause := g.pause.Load(); pause > 0 {
		g.pause.Store(pause / 2)
	}
}

func (g *guess) wrong() {
	pause := min(max(1, 4*g.pause.Load()), longestGuessPause)
	g.pause.Store(pause)
	g.skip.Store(pause)
}

// note records what has become of a guess. It may be neither right nor wrong.
func (g *guess) note(right, wrong bool) {
	switch {
	case right:
		g.right()
	case wrong:
		g.wrong()
	}
}

// PresumeAbsent tells an Update that a key most probably has no record, such as that of a resource which a PUT creates.
// If the engine is a HeadComparer, the first attempt then takes it that there is none if the cache does not know, and the commit checks
// it, so that the database need not be asked before. What such an attempt returns as an error is not believed: it runs
// again and asks.
func PresumeAbsent(t Tx, key string) {
	own, ok := t.(*tx)
	if !ok || !own.update || own.snap == nil || own.done(key) != nil || checkKey(key) != nil {
		return
	}
	if snap, ok := own.snap.(*cachedSnapshot); ok {
		snap.presume(key)
	}
}

// presume makes Get say that there is no record of a key, if the cache does not know.
func (s *cachedSnapshot) presume(key string) {
	if s.guesses {
		s.presumed = append(s.presumed, key)
	}
}

// presumes reports whether a Get of a key that the cache lacks returns ErrNotFound. What a Memo computes is cached for
// others, and rests on no guess.
func (s *cachedSnapshot) presumes(key string) bool {
	if s.recording != nil {
		return false
	}
	for _, k := range s.presumed {
		if k == key {
			s.guessed = true
			return true
		}
	}
	return false
}
