package grant

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// MaxSessions is how many browsers a user may be signed in with. One more ends the oldest session.
const MaxSessions = 20

// idleStep is how exactly it is known when a session was last used, so that using it seldom writes.
const idleStep = 10 * time.Minute

// Session is a browser in which a user has signed in. It is known by the hash of its id, which only
// the browser's cookie has, and it is good only together with the browser's key.
//
// Browsers send the cookies of a host to each of its ports, so on a machine of several programs the
// cookie is known to all whom the browser visits. The key is kept by the browser for one origin, port
// included, and sent to that alone.
type Session struct {
	TenantID      string        `json:"tenantId"`
	UserID        string        `json:"userId"`
	Authenticated time.Time     `json:"authenticated"` // when the user has shown the password
	Idle          time.Duration `json:"idle"`          // after that long without use it ends
	Used          time.Time     `json:"used"`          // to idleStep
	Expires       time.Time     `json:"expires"`       // used or not
	KeyHash       []byte        `json:"keyHash"`       // SHA-256 of the browser's key

	name string // the hash of its id, in hexadecimal
}

// Name is the hash of the session's id, by which forms can be bound to the session. It lets nobody
// continue the session.
func (s *Session) Name() string { return s.name }

// HasKey reports whether it is the browser's key.
func (s *Session) HasKey(key string) bool {
	hash := hashOf("browser key", key)
	return key != "" && subtle.ConstantTimeCompare(hash[:], s.KeyHash) == 1
}

// browsers lists the sessions of a user, oldest first, so that they stay few.
type browsers struct {
	Sessions []string  `json:"sessions"` // their names
	Expires  time.Time `json:"expires"`  // when the last of them ends
}

var (
	sessions     = store.Table[Session]{Kind: store.SessionKind, Missing: ErrInvalid}
	browserLists = store.Table[browsers]{Kind: store.BrowsersKind, Missing: ErrInvalid}
)

func sessionKey(name string) string { return store.SessionKind.Key("", name) }
func browsersKey(tenant, user string) string {
	return store.BrowsersKind.Key(arm.Fold(tenant), arm.Fold(user))
}

func hashOf(purpose, secret string) [sha256.Size]byte {
	return sha256.Sum256([]byte("midas " + purpose + "\x00" + secret))
}

func sessionName(id string) string {
	hash := hashOf("session", id)
	return hex.EncodeToString(hash[:])
}

// BeginSession keeps a new session and gives its id, which is not kept, and its name. The key is the browser's; the
// session of the id replaced, if there is one, ends. Life and s.Idle are how long it is good at most,
// and without being used.
func (g *Grants) BeginSession(ctx context.Context, s Session, key, replaced string, life time.Duration) (id, name string, err error) {
	hash, now := hashOf("browser key", key), g.now()
	s.KeyHash, s.Used, s.Expires = hash[:], now, now.Add(life)
	_, err = g.Store.Update(ctx, func(tx store.Tx) error {
		id = rand.Text() + rand.Text()
		name = sessionName(id)
		list := browsersKey(s.TenantID, s.UserID)
		if err := g.endSession(tx, sessionName(replaced)); err != nil {
			return err
		}
		all, err := browserLists.Get(tx, list)
		if errors.Is(err, ErrInvalid) {
			err = expireAt(tx, s.Expires, list)
		}
		if err != nil {
			return err
		}
		for len(all.Sessions) >= MaxSessions {
			tx.Delete(sessionKey(all.Sessions[0]))
			all.Sessions = all.Sessions[1:]
		}
		all.Sessions, all.Expires = append(all.Sessions, name), s.Expires
		return errors.Join(
			browserLists.Put(tx, list, all),
			sessions.Put(tx, sessionKey(name), s),
			expireAt(tx, s.Expires, sessionKey(name)))
	})
	if err != nil {
		return "", "", fmt.Errorf("begin session: %w", err)
	}
	return id, name, nil
}

// Session finds the session of an id, or gives ErrInvalid. Whether the browser has its key, and the
// user may still sign in, is for the caller to ask.
func (g *Grants) Session(ctx context.Context, id string) (*Session, error) {
	name := sessionName(id)
	var s Session
	err := g.Store.View(ctx, func(tx store.Tx) (err error) {
		s, err = sessions.Get(tx, sessionKey(name))
		return err
	})
	if err == nil && s.over(g.now()) {
		err = ErrInvalid
	}
	if err != nil && !errors.Is(err, ErrInvalid) {
		err = fmt.Errorf("find session: %w", err)
	}
	s.name = name
	return &s, err
}

func (s *Session) over(now time.Time) bool {
	return !now.Before(s.Expires) || now.Sub(s.Used) >= s.Idle
}

// UseSession records that a session was used. It gives ErrInvalid when it has ended meanwhile.
func (g *Grants) UseSession(ctx context.Context, s *Session) error {
	now := g.now()
	if now.Sub(s.Used) < idleStep {
		return nil
	}
	_, err := g.Store.Update(ctx, func(tx store.Tx) error {
		kept, err := sessions.Get(tx, sessionKey(s.name))
		if err != nil {
			return err
		}
		if kept.over(now) {
			return ErrInvalid
		}
		kept.Used = now
		return sessions.Put(tx, sessionKey(s.name), kept)
	})
	if err != nil && !errors.Is(err, ErrInvalid) {
		return fmt.Errorf("use session: %w", err)
	}
	return err
}

// EndSession ends the session of an id, if there is one.
func (g *Grants) EndSession(ctx context.Context, id string) error {
	_, err := g.Store.Update(ctx, func(tx store.Tx) error { return g.endSession(tx, sessionName(id)) })
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// endSession removes a session and its name from the list of its user's.
func (g *Grants) endSession(tx store.Tx, name string) error {
	s, err := sessions.Get(tx, sessionKey(name))
	if errors.Is(err, ErrInvalid) {
		return nil
	}
	if err != nil {
		return err
	}
	tx.Delete(sessionKey(name))
	list := browsersKey(s.TenantID, s.UserID)
	all, err := browserLists.Get(tx, list)
	if errors.Is(err, ErrInvalid) {
		return nil
	}
	if err != nil {
		return err
	}
	all.Sessions = slices.DeleteFunc(all.Sessions, func(one string) bool { return one == name })
	return browserLists.Put(tx, list, all)
}
