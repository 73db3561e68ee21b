package throttle

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// The default rules of Passwords.
var (
	userHere       = Rule{Name: "password of a user from an address", Burst: 10, Refill: 6 * time.Second}
	userEverywhere = Rule{Name: "password of a user", Burst: 100, Refill: 10 * time.Second}
	fromAddress    = Rule{Name: "password from an address", Burst: 60, Refill: 2 * time.Second}
	fromNetwork    = Rule{Name: "password from a network", Burst: 240, Refill: 500 * time.Millisecond}
	lookUps        = Rule{Name: "look-up of a familiar address", Burst: 60, Refill: time.Second}
)

// known is the rule for the cache of familiar addresses: an address is familiar if its bucket is not full.
// The cache avoids reads of the store.
var known = Rule{Name: "familiar address", Burst: 1, Refill: 24 * time.Hour}

// knownBuckets is how many familiar addresses are cached in memory. The store has all of them.
const knownBuckets = 1 << 14

// Familiar remembers from which addresses users have signed in.
type Familiar interface {
	// IsFamiliar reports whether a user has signed in from the source before.
	IsFamiliar(ctx context.Context, tenant, user string, from Source) (bool, error)

	// Remember records that a user has signed in from the source. It is cheap if that is already recorded.
	Remember(ctx context.Context, tenant, user string, from Source) error
}

// Passwords limits password attempts: for one user from one address, for one user from all addresses, and
// from one address and one network for all users together. From a familiar address, from which the user
// has signed in before, only the first limit applies, so that guesses from elsewhere cannot lock a user
// out; such attempts also have priority in a Queue. Table is required; unset rules have defaults. It is
// safe for concurrent use and must not be copied.
//
// A refusal computes no hash. It reads the store only to find out whether the source is familiar, at most
// as often as LookUps allows for each address. Sign-ins of the last day are cached in memory.
type Passwords struct {
	Table    *Table
	Familiar Familiar // nil: no address is familiar

	Here       Rule // by user and address
	Everywhere Rule // by user
	Address    Rule // by address
	Network    Rule // by network
	LookUps    Rule // by address

	once  sync.Once
	known *Table // familiar addresses, separate from the buckets that unauthenticated clients create
}

// PasswordKey names the user and the source of a password attempt, under which it is counted. The caller has folded User; neither name is
// longer than MaxName.
type PasswordKey struct {
	Tenant, User string
	From         Source
}

// Attempt is a password attempt that was counted. Try counts it before the password is checked.
type Attempt struct {
	Waiter
	key     PasswordKey
	charges []Charge
}

// Refused is how long a source has to wait because of the limits of its address and network; 0 if it may
// try, or if Try has to find out whether the address is familiar. It is cheap, so callers check it before
// any other work.
func (p *Passwords) Refused(from Source) time.Duration {
	wait := p.Table.Wait(p.ofSource(from)...)
	if wait > 0 && p.Table.Wait(p.lookUp(from)) == 0 {
		return 0 // Try finds out whether the user is familiar there
	}
	return wait
}

// Try counts an attempt before the password is checked and returns it, or returns nil and how long to wait.
// The error is that of Familiar.
func (p *Passwords) Try(ctx context.Context, key PasswordKey) (*Attempt, Refusal, error) {
	here := p.Table.Charge(p.Here.Or(userHere), key.Tenant, key.User, key.From.Address())
	if wait := p.Table.Wait(here); wait > 0 {
		return nil, Refusal{Wait: wait, Locked: true}, nil
	}
	everywhere := p.Table.Charge(p.Everywhere.Or(userEverywhere), key.Tenant, key.User)
	source := p.ofSource(key.From)
	refusal := p.refusal(everywhere, source)
	lookUp, familiar := p.lookUp(key.From), p.isKnown(key)
	if !familiar {
		if refusal.Wait > 0 && p.Table.Wait(lookUp) > 0 {
			return nil, refusal, nil
		}
		var err error
		if familiar, err = p.isFamiliar(ctx, key); err != nil {
			return nil, Refusal{}, err
		}
	}
	charges := []Charge{here}
	if !familiar {
		if refusal.Wait > 0 {
			p.Table.Count(lookUp)
			return nil, refusal, nil
		}
		charges = append(append(charges, everywhere), source...)
	}
	if wait := p.Table.Take(charges...); wait > 0 { // others were faster
		return nil, Refusal{Wait: wait, Locked: p.Table.Wait(source...) == 0}, nil
	}
	return &Attempt{Waiter: Waiter{From: key.From, Familiar: familiar}, key: key, charges: charges}, Refusal{}, nil
}

// Refusal is the reason why an attempt is refused.
type Refusal struct {
	Wait   time.Duration // until the next attempt; 0 if it is not refused
	Locked bool          // the limit of the user is reached; otherwise that of the address or the network
}

func (p *Passwords) refusal(everywhere Charge, source []Charge) Refusal {
	if wait := p.Table.Wait(source...); wait > 0 {
		return Refusal{Wait: wait}
	}
	return Refusal{Wait: p.Table.Wait(everywhere), Locked: true}
}

func (p *Passwords) ofSource(from Source) []Charge {
	return []Charge{
		p.Table.Charge(p.Address.Or(fromAddress), from.Address()),
		p.Table.Charge(p.Network.Or(fromNetwork), from.Network()),
	}
}

func (p *Passwords) lookUp(from Source) Charge {
	return p.Table.Charge(p.LookUps.Or(lookUps), from.Address())
}

func (p *Passwords) isFamiliar(ctx context.Context, key PasswordKey) (bool, error) {
	if p.Familiar == nil {
		return false, nil
	}
	is, err := p.Familiar.IsFamiliar(ctx, key.Tenant, key.User, key.From)
	if err != nil {
		return false, fmt.Errorf("look up familiar addresses: %w", err)
	}
	if is {
		p.keepKnown(key)
	}
	return is, nil
}

func (p *Passwords) isKnown(key PasswordKey) bool {
	table := p.knownTable()
	return table.Wait(table.Charge(known, key.Tenant, key.User, key.From.Address())) > 0
}

func (p *Passwords) keepKnown(key PasswordKey) {
	table := p.knownTable()
	table.Count(table.Charge(known, key.Tenant, key.User, key.From.Address()))
}

func (p *Passwords) knownTable() *Table {
	p.once.Do(func() { p.known = &Table{Now: p.Table.Now, Buckets: knownBuckets} })
	return p.known
}

// Forgive returns the tokens of an attempt that succeeded, or whose result revealed nothing about the
// password.
func (p *Passwords) Forgive(a *Attempt) { p.Table.Return(a.charges...) }

// Succeeded forgives an attempt and records the source as familiar. The sign-in is valid even if recording
// fails with the error of Familiar.
func (p *Passwords) Succeeded(ctx context.Context, a *Attempt) error {
	p.Forgive(a)
	p.keepKnown(a.key)
	if p.Familiar == nil {
		return nil
	}
	if err := p.Familiar.Remember(ctx, a.key.Tenant, a.key.User, a.key.From); err != nil {
		return fmt.Errorf("remember a familiar address: %w", err)
	}
	return nil
}
