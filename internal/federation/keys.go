package federation

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

const (
	// maxKeys is how many keys of an issuer count, as in Entra. Further ones are ignored.
	maxKeys = 100

	// maxSameKid is how many keys with the same key id are tried. An issuer that replaces a key may use its id
	// again, but each further key costs the verification of a signature.
	maxSameKid = 4

	maxKid     = 256      // bytes
	maxKey     = 64 << 10 // bytes, with its certificates
	maxSkipped = 20

	// An issuer chooses how long the verification of its signatures takes. With 4096 bits and the exponent 65537
	// it takes some 15 times as long as with 2048 bits; with 8192 bits and an exponent of 31 bits, 400 times.
	shortestKey, longestKey           = 2048, 4096 // bits
	smallestExponent, largestExponent = 3, 65537

	signatureUse, rs256 = "sig", "RS256"
)

// keySet are the keys of an issuer with which assertions can be verified. It does not change.
type keySet struct {
	keys    []issuerKey
	skipped []SkippedKey
}

type issuerKey struct {
	kid string // may be empty
	rsa *rsa.PublicKey
}

// SkippedKey is a key of an issuer that is not used.
type SkippedKey struct{ Kid, Reason string }

// find returns the keys that may have signed an assertion: those with its key id, or the only key of the issuer if
// the assertion has none (OpenID Connect Core 1.0, section 10.1).
func (s *keySet) find(kid string) (found []*rsa.PublicKey) {
	if kid == "" && len(s.keys) != 1 {
		return nil
	}
	for _, k := range s.keys {
		if k.kid == kid || kid == "" {
			found = append(found, k.rsa)
		}
	}
	return found
}

// count returns how many keys have a key id.
func (s *keySet) count(kid string) (n int) {
	for _, k := range s.keys {
		if k.kid == kid {
			n++
		}
	}
	return n
}

// parseKeys reads a JWK set (RFC 7517). Keys that cannot verify an assertion are skipped: they are for other uses.
func parseKeys(body []byte) (*keySet, error) {
	if !json.Valid(body) {
		return nil, errors.New("the key set is not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("the key set is not a JSON object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("read the key set: %w", err)
		}
		if name == "keys" {
			return readKeys(dec)
		}
		var other json.RawMessage
		if err := dec.Decode(&other); err != nil {
			return nil, fmt.Errorf("read the key set: %w", err)
		}
	}
	return nil, errors.New("the key set has no keys")
}

// readKeys reads the array of keys, one after the other, so that a long one does not use memory.
func readKeys(dec *json.Decoder) (*keySet, error) {
	if start, err := dec.Token(); err != nil || start != json.Delim('[') {
		return nil, errors.New("the field keys of the key set is not an array")
	}
	set := &keySet{}
	for n := 0; n < maxKeys && dec.More(); n++ {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("read the key set: %w", err)
		}
		kid, key, err := parseKey(raw)
		if err == nil && set.count(kid) >= maxSameKid {
			err = fmt.Errorf("%d keys before it have its kid", maxSameKid)
		}
		if err == nil {
			set.keys = append(set.keys, issuerKey{kid, key})
		} else if len(set.skipped) < maxSkipped {
			set.skipped = append(set.skipped, SkippedKey{kid, err.Error()})
		}
	}
	return set, nil
}

// parseKey reads an RSA key for RS256, or returns an error that says why it is another one.
func parseKey(raw []byte) (kid string, key *rsa.PublicKey, err error) {
	if len(raw) > maxKey {
		return "", nil, fmt.Errorf("it has more than %d bytes", maxKey)
	}
	var doc map[string]json.RawMessage
	if json.Unmarshal(raw, &doc) != nil || doc == nil {
		return "", nil, errors.New("it is not a JSON object")
	}
	text := func(name string) (value string) {
		_ = json.Unmarshal(doc[name], &value) // another type is as good as no value
		return value
	}
	if kid = text("kid"); len(kid) > maxKid {
		return "", nil, fmt.Errorf("its kid has more than %d bytes", maxKid)
	}
	_, named := doc["alg"]
	_, secret := doc["d"]
	switch {
	case text("kty") != "RSA":
		err = errors.New("its kty is not RSA")
	case text("use") != signatureUse:
		err = errors.New("its use is not sig")
	case named && text("alg") != rs256:
		err = errors.New("its alg is not RS256")
	case secret:
		err = errors.New("it is a private key, which everyone knows now")
	case !verifies(doc):
		err = errors.New("its key_ops have no verify")
	default:
		key, err = rsaKey(text("n"), text("e"))
	}
	return kid, key, err
}

// verifies reports whether a key may be used to verify signatures according to its key_ops, which may be missing.
func verifies(doc map[string]json.RawMessage) bool {
	raw, found := doc["key_ops"]
	var operations []string
	return !found || json.Unmarshal(raw, &operations) == nil && slices.Contains(operations, "verify")
}

// rsaKey reads a modulus and an exponent (RFC 7518, section 6.3.1).
func rsaKey(modulus, exponent string) (*rsa.PublicKey, error) {
	n, err := base64.RawURLEncoding.DecodeString(modulus)
	if err != nil {
		return nil, errors.New("its n is not base64url")
	}
	e, err := base64.RawURLEncoding.DecodeString(exponent)
	if err != nil {
		return nil, errors.New("its e is not base64url")
	}
	key, power := &rsa.PublicKey{N: new(big.Int).SetBytes(n)}, new(big.Int).SetBytes(e)
	switch bits := key.N.BitLen(); {
	case bits < shortestKey || bits > longestKey:
		return nil, fmt.Errorf("it has %d bits, and not %d to %d", bits, shortestKey, longestKey)
	case key.N.Bit(0) == 0:
		return nil, errors.New("its n is even")
	case power.Cmp(big.NewInt(smallestExponent)) < 0 || power.Cmp(big.NewInt(largestExponent)) > 0 || power.Bit(0) == 0:
		return nil, fmt.Errorf("its e is not an odd number from %d to %d", smallestExponent, largestExponent)
	}
	key.E = int(power.Int64())
	return key, nil
}
