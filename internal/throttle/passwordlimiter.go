package throttle

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// The default rules of PasswordLimiter: how many passwords may be tried. docs/operations.md lists these numbers.
var (
	passwordsPerUserAndAddress = Rule{Name: "password of a user from an address", Burst: 10, Refill: 6 * time.Second}
	passwordsPerUser           = Rule{Name: "password of a user", Burst: 100, Refill: 10 * time.Second}
	passwordsPerAddress        = Rule{Name: "password from an address", Burst: 60, Refill: 2 * time.Second}
	passwordsPerNetwork        = Rule{Name: "password from a network", Burst: 240, Refill: 500 * time.Millisecond}
	familiarLookUps            = Rule{Name: "look-up of a familiar address", Burst: 60, Refill: time.Second}
)

// cachedFamiliar is the rule for the cache of familiar addresses: an address is familiar if its bucket is not
// full. The cache avoids reads of the store.
var cachedFamiliar = Rule{Name: "familiar address", Burst: 1, Refill: 24 * time.Hour}

// familiarCacheBuckets is the maximum number of familiar addresses in the cache. The store has all of them.
const familiarCacheBuckets = 1 << 14

// FamiliarSources records from which addresses users have signed in.
type FamiliarSources interface {
	// IsFamiliar reports whether a user has signed in from the source before.
	IsFamiliar(ctx context.Context, tenant, user string, from Source) (bool, error)

	// Remember records that a user has signed in from the source. It is cheap if that is already recorded.
	Remember(ctx context.Context, tenant, user string, from Source) error
}

// PasswordLimiter limits how often passwords are tried: for one user from one address, for one user from all
// addresses, and from one address and from one network for all users together. From a familiar address, from
// which the user has signed in before, only the first limit applies, so that guesses from elsewhere cannot
// lock a user out; such attempts also have priority in a Queue. Table is required; unset rules have defaults.
// It is safe for concurrent use and must not be copied.
//
// No hash is computed for a refused attempt. The store is read only to find out whether the source is
// familiar, at most as often as FamiliarLookUps allows for each address. Sign-ins of the last day are cached
// in memory.
type PasswordLimiter struct {
	Table    *Table
	Familiar FamiliarSources // nil: no address is familiar

	PerUserAndAddress Rule // by user and address
	PerUser           Rule // by user
	PerAddress        Rule // by address
	PerNetwork        Rule // by network
	FamiliarLookUps   Rule // by address

	once          sync.Once
	familiarCache *Table // familiar addresses, separate from the buckets that unauthenticated clients create
}

// PasswordKey identifies the user and the source of a password attempt. Attempts are counted by it. The caller
// has folded User; neither name is longer than MaxName.
type PasswordKey struct {
	Tenant, User string
	From         Source
}

// Attempt is a password attempt that was counted before the password is checked.
type Attempt struct {
	Waiter
	key     PasswordKey
	charges []Charge
}

// Refused returns how long a source has to wait because of the limits of its address and network. It returns
// 0 if the source may try, or if Try has to find out whether the address is familiar. It is cheap, so callers
// call it before any other work.
func (p *PasswordLimiter) Refused(from Source) time.Duration {
	wait := p.Table.Wait(p.ofSource(from)...)
	if wait > 0 && p.Table.Wait(p.lookUp(from)) == 0 {
		return 0 // Try finds out whether the address is familiar
	}
	return wait
}

// Try counts an attempt before the password is checked and returns it, or returns nil and how long to wait.
// The error is that of FamiliarSources.
func (p *PasswordLimiter) Try(ctx context.Context, key PasswordKey) (*Attempt, Refusal, error) {
	here := p.Table.Charge(p.PerUserAndAddress.Or(passwordsPerUserAndAddress), key.Tenant, key.User, key.From.Address())
	if wait := p.Table.Wait(here); wait > 0 {
		return nil, Refusal{Wait: wait, Locked: true}, nil
	}
	everywhere := p.Table.Charge(p.PerUser.Or(passwordsPerUser), key.Tenant, key.User)
	source := p.ofSource(key.From)
	refusal := p.refusal(everywhere, source)
	lookUp, familiar := p.lookUp(key.From), p.isCachedFamiliar(key)
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
	if wait := p.Table.Take(charges...); wait > 0 { // concurrent attempts took the tokens first
		return nil, Refusal{Wait: wait, Locked: p.Table.Wait(source...) == 0}, nil
	}
	return &Attempt{Waiter: Waiter{From: key.From, Familiar: familiar}, key: key, charges: charges}, Refusal{}, nil
}

// Refusal is the reason why an attempt is refused.
type Refusal struct {
	Wait   time.Duration // until the next attempt; 0 if it is not refused
	Locked bool          // the limit of the user is reached; otherwise that of the address or the network
}

func (p *PasswordLimiter) refusal(everywhere Charge, source []Charge) Refusal {
	if wait := p.Table.Wait(source...); wait > 0 {
		return Refusal{Wait: wait}
	}
	return Refusal{Wait: p.Table.Wait(everywhere), Locked: true}
}

func (p *PasswordLimiter) ofSource(from Source) []Charge {
	return []Charge{
		p.Table.Charge(p.PerAddress.Or(passwordsPerAddress), from.Address()),
		p.Table.Charge(p.PerNetwork.Or(passwordsPerNetwork), from.Network()),
	}
}

func (p *PasswordLimiter) lookUp(from Source) Charge {
	return p.Table.Charge(p.FamiliarLookUps.Or(familiarLookUps), from.Address())
}

func (p *PasswordLimiter) isFamiliar(ctx context.Context, key PasswordKey) (bool, error) {
	if p.Familiar == nil {
		return false, nil
	}
	is, err := p.Familiar.IsFamiliar(ctx, key.Tenant, key.User, key.From)
	if err != nil {
		return false, fmt.Errorf("look up familiar addresses: %w", err)
	}
	if is {
		p.cacheFamiliar(key)
	}
	return is, nil
}

func (p *PasswordLimiter) isCachedFamiliar(key PasswordKey) bool {
	table := p.cacheTable()
	return table.Wait(table.Charge(cachedFamiliar, key.Tenant, key.User, key.From.Address())) > 0
}

func (p *PasswordLimiter) cacheFamiliar(key PasswordKey) {
	table := p.cacheTable()
	table.Count(table.Charge(cachedFamiliar, key.Tenant, key.User, key.From.Address()))
}

func (p *PasswordLimiter) cacheTable() *Table {
	p.once.Do(func() { p.familiarCache = &Table{Now: p.Table.Now, Buckets: familiarCacheBuckets} })
	return p.familiarCache
}

// Forgive returns the tokens of an attempt that succeeded, or whose result revealed nothing about the
// password.
func (p *PasswordLimiter) Forgive(a *Attempt) { p.Table.Return(a.charges...) }

// Succeeded forgives an attempt and records the source as familiar. The sign-in is valid even if recording
// fails with the error of FamiliarSources.
func (p *PasswordLimiter) Succeeded(ctx context.Context, a *Attempt) error {
	p.Forgive(a)
	p.cacheFamiliar(a.key)
	if p.Familiar == nil {
		return nil
	}
	if err := p.Familiar.Remember(ctx, a.key.Tenant, a.key.User, a.key.From); err != nil {
		return fmt.Errorf("remember a familiar address: %w", err)
	}
	return nil
}
