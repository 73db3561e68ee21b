//go:build cluster

package postgres

import (
	"bytes"
	"crypto/sha256"

	"midas/internal/store"
)

// longestKey is the length of the column "key". PostgreSQL's B-tree index refuses entries of more than about
// 2,700 bytes, and store keys have up to store.MaxKey bytes.
const longestKey = 2048

// storeKey is a key in the form of the columns. The order of keys is the order of (key, rest).
type storeKey struct {
	key    []byte // its first bytes
	rest   []byte // the other bytes; empty for almost all keys, never nil
	digest []byte // SHA-256 of rest; empty if rest is empty. (key, digest) is the primary key
}

func columns(key string) storeKey {
	c := storeKey{key: []byte(key), rest: []byte{}, digest: []byte{}}
	if len(key) > longestKey {
		c.key, c.rest = c.key[:longestKey], c.key[longestKey:]
		sum := sha256.Sum256(c.rest)
		c.digest = sum[:]
	}
	return c
}

// interval is a range of keys: from is part of it, to is not. An empty to means that there is no upper end.
type interval struct{ from, to string }

// intervalOf returns the keys that a range selects.
func intervalOf(r store.Range) interval {
	i := prefixed(r.Prefix)
	switch {
	case r.After == "":
	case r.Reverse:
		i = i.before(r.After)
	default:
		i = i.after(r.After)
	}
	return i
}

// prefixed returns the keys that begin with prefix.
func prefixed(prefix string) interval {
	last := len(prefix) - 1
	for last >= 0 && prefix[last] == 0xff { // not TrimRight, which trims every byte that is not UTF-8
		last--
	}
	if last < 0 {
		return interval{from: prefix}
	}
	return interval{prefix, prefix[:last] + string([]byte{prefix[last] + 1})}
}

// after returns the part of the interval after key.
func (i interval) after(key string) interval {
	return interval{max(i.from, key+"\x00"), i.to}
}

// before returns the part of the interval before key.
func (i interval) before(key string) interval {
	if i.to == "" || key < i.to {
		i.to = key
	}
	return i
}

func (i interval) empty() bool { return i.to != "" && i.from >= i.to }

// upper returns the columns of the upper end, which are greater than those of all keys if there is no end.
func (i interval) upper() storeKey {
	if i.to == "" {
		return storeKey{key: bytes.Repeat([]byte{0xff}, longestKey+1), rest: []byte{}}
	}
	return columns(i.to)
}
