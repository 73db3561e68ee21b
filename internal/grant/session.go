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

// MaxSessionClients is how many applications a session remembers. A further one replaces the oldest.
const MaxSessionClients = 40

// MaxSessions is how many sessions a user can have. A further one ends the oldest.
const MaxSessions = 20

// idleStep is the resolution of Session.Used. A session that was used more recently is not written again.
const idleStep = 10 * time.Minute

// Session is the sign-in of a user in a browser. It is stored under the hash of its id, which is only in
// the browser's cookie, and it is valid only together with the browser's key.
//
// Browsers send the cookies of a host to all its ports, so other programs on the same machine can get the
// cookie. The browser stores the key for one origin, port included, and sends it only there.
type Session struct {
	TenantID      string        `json:"tenantId"`
	UserID        string        `json:"userId"`
	Authenticated time.Time     `json:"authenticated"` // when the password was checked
	Idle          time.Duration `json:"idle"`          // the session ends if it is not used for so long
	Used          time.Time     `json:"used"`          // last use, with the resolution idleStep
	Expires       time.Time     `json:"expires"`       // the end, even if it is used
	KeyHash       []byte        `json:"keyHash"`       // SHA-256 of the browser's key

	// PublicID is the sid claim of id_tokens, a GUID. It names the session to applications (OpenID Connect
	// Front-Channel Logout 1.0, 3) and lets nobody continue it.
	PublicID string   `json:"sid,omitempty"`
	Clients  []string `json:"clients,omitempty"` // the applications that got a code, by client id, oldest first

	name string // hexadecimal hash of the id
}

// Name returns the hash of the session's id. Forms are bound to the session by it. The name is no
// credential: nobody can use the session with it.
func (s *Session) Name() string { return s.name }

// HasKey reports whether key is the key of the session's browser.
func (s *Session) HasKey(key string) bool {
	hash := hashOf("browser key", key)
	return key != "" && subtle.ConstantTimeCompare(hash[:], s.KeyHash) == 1
}

// sessionList lists the sessions of a user, oldest first. It bounds their number (MaxSessions).
type sessionList struct {
	Sessions []string  `json:"sessions"` // names
	Expires  time.Time `json:"expires"`  // when the newest session ends
}

var (
	sessions     = store.Table[Session]{Kind: store.SessionKind, Missing: ErrInvalid}
	sessionLists = store.Table[sessionList]{Kind: store.BrowsersKind, Missing: ErrInvalid}
)

func sessionKey(name string) string { return store.SessionKind.Key("", name) }
func sessionListKey(tenant, user string) string {
	return store.BrowsersKind.Key(arm.Fold(tenant), arm.Fold(user))
}

func hashOf(purpose, secret string) [sha256.Size]byte {
	return sha256.Sum256([]byte("midas " + purpose + "\x00" + secret))
}

func sessionName(id string) string {
	hash := hashOf("session", id)
	return hex.EncodeToString(hash[:])
}

// BeginSession stores a new session and returns its id, which is not stored, and its name. The key is the
// browser's; replaced is the id of a session that ends, or empty. The session ends after lifetime, or when
// it is not used for s.Idle.
func (g *Grants) BeginSession(ctx context.Context, s Session, key, replaced string, lifetime time.Duration) (id, name string, err error) {
	hash, now := hashOf("browser key", key), g.now()
	s.KeyHash, s.Used, s.Expires = hash[:], now, now.Add(lifetime)
	_, err = g.Store.Update(ctx, func(tx store.Tx) error {
		id = rand.Text() + rand.Text()
		name = sessionName(id)
		list := sessionListKey(s.TenantID, s.UserID)
		if err := g.endSession(tx, sessionName(replaced)); err != nil {
			return err
		}
		all, err := sessionLists.Get(tx, list)
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
			sessionLists.Put(tx, list, all),
			sessions.Put(tx, sessionKey(name), s),
			expireAt(tx, s.Expires, sessionKey(name)))
	})
	if err != nil {
		return "", "", fmt.Errorf("begin session: %w", err)
	}
	return id, name, nil
}

// Session returns the session with an id, or ErrInvalid. Callers check the browser's key, and whether the
// user may still sign in.
func (g *Grants) Session(ctx context.Context, id string) (*Session, error) {
	name := sessionName(id)
	var s Session
	err := g.Store.View(ctx, func(tx store.Tx) (err error) {
		s, err = sessions.Get(tx, sessionKey(name))
		return err
	})
	if err == nil && s.ended(g.now()) {
		err = ErrInvalid
	}
	if err != nil && !errors.Is(err, ErrInvalid) {
		err = fmt.Errorf("find session: %w", err)
	}
	s.name = name
	return &s, err
}

func (s *Session) ended(now time.Time) bool {
	return !now.Before(s.Expires) || now.Sub(s.Used) >= s.Idle
}

// UseSession records that a session was used. It returns ErrInvalid if the session has ended meanwhile.
func (g *Grants) UseSession(ctx context.Context, s *Session) error {
	now := g.now()
	if now.Sub(s.Used) < idleStep {
		return nil
	}
	_, err := g.Store.Update(ctx, func(tx store.Tx) error {
		stored, err := sessions.Get(tx, sessionKey(s.name))
		if err != nil {
			return err
		}
		if stored.ended(now) {
			return ErrInvalid
		}
		stored.Used = now
		return sessions.Put(tx, sessionKey(s.name), stored)
	})
	if err != nil && !errors.Is(err, ErrInvalid) {
		return fmt.Errorf("use session: %w", err)
	}
	return err
}

// UseClient records that an application got a code in a session. It does nothing if the session has ended.
func (g *Grants) UseClient(ctx context.Context, name, client string) error {
	_, err := g.Store.Update(ctx, func(tx store.Tx) error {
		s, err := sessions.Get(tx, sessionKey(name))
		if err != nil || slices.Contains(s.Clients, client) {
			return err
		}
		s.Clients = append(slices.Clone(s.Clients), client)
		s.Clients = s.Clients[max(0, len(s.Clients)-MaxSessionClients):]
		return sessions.Put(tx, sessionKey(name), s)
	})
	if err != nil && !errors.Is(err, ErrInvalid) {
		return fmt.Errorf("record a client of a session: %w", err)
	}
	return nil
}

// EndSession ends the session with an id, if it exists.
func (g *Grants) EndSession(ctx context.Context, id string) error {
	_, err := g.EndSessions(ctx, []string{id})
	return err
}

// EndSessions ends the sessions with these ids and returns those that existed, even if they were not used
// for too long: their applications are still to be told.
func (g *Grants) EndSessions(ctx context.Context, ids []string) (ended []Session, err error) {
	_, err = g.Store.Update(ctx, func(tx store.Tx) error {
		ended = nil
		for _, id := range ids {
			s, err := sessions.Get(tx, sessionKey(sessionName(id)))
			if errors.Is(err, ErrInvalid) {
				continue
			}
			if err == nil {
				err = g.endSession(tx, sessionName(id))
			}
			if err != nil {
				return err
			}
			s.name = sessionName(id)
			ended = append(ended, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("end session: %w", err)
	}
	return ended, nil
}

// endSession removes a session, if it exists, and its name from its user's list.
func (g *Grants) endSession(tx store.Tx, name string) error {
	s, err := sessions.Get(tx, sessionKey(name))
	if errors.Is(err, ErrInvalid) {
		return nil
	}
	if err != nil {
		return err
	}
	tx.Delete(sessionKey(name))
	list := sessionListKey(s.TenantID, s.UserID)
	all, err := sessionLists.Get(tx, list)
	if errors.Is(err, ErrInvalid) {
		return nil
	}
	if err != nil {
		return err
	}
	all.Sessions = slices.DeleteFunc(all.Sessions, func(one string) bool { return one == name })
	return sessionLists.Put(tx, list, all)
}
