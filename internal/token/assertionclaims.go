package token

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Claim returns a claim whose value is a string. Names are case-sensitive.
func (a *Assertion) Claim(name string) (value string, found bool) {
	return unquote(a.claims.find(name))
}

// readClaims reads the payload.
func (a *Assertion) readClaims(payload []byte) (err error) {
	if a.claims, err = readObject(payload); err != nil {
		return fmt.Errorf("the payload: %w", err)
	}
	for _, field := range [...]struct {
		name string
		to   *string
	}{{"iss", &a.Issuer}, {"sub", &a.Subject}, {"jti", &a.ID}} {
		if *field.to, err = a.claims.text(field.name); err != nil {
			return fmt.Errorf("claim %w", err)
		}
		// Package json reads different broken escapes as this one character.
		if strings.ContainsRune(*field.to, utf8.RuneError) {
			return fmt.Errorf("claim %s is not Unicode", field.name)
		}
	}
	if a.Audience, err = readAudience(a.claims.find("aud")); err != nil {
		return fmt.Errorf("claim aud: %w", err)
	}
	for _, field := range [...]struct {
		name string
		to   *time.Time
	}{{"nbf", &a.NotBefore}, {"exp", &a.Expires}, {"iat", &a.IssuedAt}} {
		if *field.to, err = readTime(a.claims.find(field.name)); err != nil {
			return fmt.Errorf("claim %s: %w", field.name, err)
		}
	}
	return nil
}

// readAudience reads the aud claim: a string or an array of strings. The result is empty if it is missing or null.
func readAudience(raw string) ([]string, error) {
	if raw == "" || raw == "null" {
		return nil, nil
	}
	if one, isText := unquote(raw); isText {
		return []string{one}, nil
	}
	rest, all := jsonText(raw), []string{}
	if !rest.begin('[') {
		return nil, errors.New("it is neither a string nor an array")
	}
	for rest.more() {
		one, isText := unquote(rest.value())
		if !isText {
			return nil, errors.New("it has an element that is not a string")
		}
		all = append(all, one)
	}
	return all, nil
}

// readTime reads a NumericDate (RFC 7519, 2). The result has whole seconds. It is zero if the claim is missing or null.
func readTime(raw string) (time.Time, error) {
	if raw == "" || raw == "null" {
		return time.Time{}, nil
	}
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		return time.Time{}, errors.New("it is not a number")
	}
	seconds, err := strconv.ParseFloat(raw, 64) // which accepts all numbers of JSON
	// Larger values would overflow in conversions and comparisons.
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, errors.New("the time is out of range")
	}
	return time.Unix(int64(seconds), 0).UTC(), nil
}
