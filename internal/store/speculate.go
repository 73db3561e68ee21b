package store

import (
	"context"

	"midas/internal/trace"
)

// A transaction over a Follower need not wait for the newest revision before it reads. It begins at what the cache
// knows, while the question is asked, and waits for the answer at its end, or before its first scan of the engine. If
// what it has read is the same at the newest revision, it has read that revision. If not, it runs again, and waits first.
//
// An Update of a process that commits nothing else at the moment does not ask at all, if the engine is a HeadComparer:
// its commit requires that what it has read is the newest revision.

// read begins an attempt to read. It asks for the newest revision, unless the answer is known. If early is true and what
// the cache has is recent, the attempt waits for the answer later.
func (c *Cache) read(ctx context.Context, attempt int, early bool) (Snapshot, error) {
	f := c.follow
	if f == nil || attempt == 0 && f.isRecent() && f.knows(ctx) {
		return c.begin(ctx, attempt)
	}
	asked, err := f.ask(ctx)
	if err != nil {
		return nil, err
	}
	if !early || !f.isRecent() {
		if err := c.await(ctx, asked); err != nil {
			return nil, err
		}
		return c.begin(ctx, attempt)
	}
	s, err := c.begin(ctx, attempt)
	if err != nil {
		return nil, err
	}
	s.doubt, s.asked = true, asked
	return s, nil
}

// forUpdate begins an attempt to write.
func (c *Cache) forUpdate(ctx context.Context, attempt int) (Snapshot, error) {
	f := c.follow
	if f == nil || attempt > 0 || !f.isRecent() {
		return c.read(ctx, attempt, attempt == 0)
	}
	s, err := c.begin(ctx, attempt)
	if err != nil {
		return nil, err
	}
	s.guesses = f.compares && c.absent.allowed()
	if f.knows(ctx) {
		return s, nil
	}
	s.doubt = true
	if !f.mayBeAlone() || !c.alone.allowed() {
		s.asked, err = f.ask(ctx)
	}
	return s, err
}

// comparesHead reports whether the commit of an Update is to require that nothing was committed after what it has read,
// because it has not asked whether that is the newest revision.
func (s *cachedSnapshot) comparesHead() bool {
	return s.doubt && s.asked == nil && s.cache.follow.mayBeAlone() && !s.outlived() && s.cache.engine.Head() == s.pin
}

// mayBeAlone reports whether the engine compares the head, and this process commits nothing at the moment, which would
// come first.
func (f *Follower) mayBeAlone() bool {
	return f.compares && f.committing.Load() == 0 && f.head.Load() >= f.own.Load()
}

// freshly begins to read when the newest revision is known.
func (c *Cache) freshly(ctx context.Context, attempt int) (Snapshot, error) {
	return c.read(ctx, attempt, false)
}

// await waits until the cache knows all that anyone was told of before the question.
func (c *Cache) await(ctx context.Context, asked *probe) error {
	ctx, span := trace.StartClient(ctx, "store.fresh")
	defer span.End()
	err := c.follow.await(ctx, asked, freshLimit)
	span.Fail(reasonOf(err))
	return err
}

// knows reports whether Head shows every commit that anyone was told of before the request of ctx came.
func (f *Follower) knows(ctx context.Context) bool {
	r, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		return false
	}
	now := f.uptime()
	begin := r.begin(now)
	return f.confirmed.Load() > int64(begin) && now-begin <= RecentAge && f.head.Load() >= f.own.Load()
}

// confirm waits for the answer to the question that was asked when the transaction began, or asks it now. The error is
// ErrStale if what the transaction has read may have changed before that answer.
func (s *cachedSnapshot) confirm(ctx context.Context) (err error) {
	if !s.doubt {
		return nil
	}
	if s.asked == nil {
		if s.asked, err = s.cache.follow.ask(ctx); err != nil {
			return err
		}
	}
	if err := s.cache.await(ctx, s.asked); err != nil {
		return err
	}
	head := s.cache.engine.Head() // before the entries are looked at
	if s.outlived() {
		return ErrStale
	}
	if head != s.pin {
		if s.unsure || s.changed() {
			return ErrStale
		}
		s.closeBelow()
		s.pin = head
	}
	s.doubt, s.asked = false, nil
	return nil
}

// changed reports whether a commit may have changed an entry that was used.
func (s *cachedSnapshot) changed() bool {
	for _, e := range s.used {
		if e.outdated() {
			return true
		}
	}
	return false
}

func (s *cachedSnapshot) closeBelow() {
	if s.below != nil {
		s.below.Close()
		s.below = nil
	}
}
