package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Claim returns a claim whose value is a string. Names are case-sensitive.
func (a *Assertion) Claim(name string) (value string, found bool) {
	value, found = a.strings[name]
	return value, found
}

// readClaims reads the payload. Unlike package json, it does not ignore case in the names of claims, and it refuses
// a claim that is there twice: another reader of the same token could see another subject.
func (a *Assertion) readClaims(payload []byte) error {
	if !utf8.Valid(payload) {
		return errors.New("the payload is not UTF-8")
	}
	claims, err := members(payload)
	if err != nil {
		return err
	}
	a.strings = make(map[string]string, len(claims))
	for name, raw := range claims {
		if raw[0] != '"' {
			continue
		}
		text, err := readText(raw)
		if err != nil {
			return fmt.Errorf("claim %.40q: %w", name, err)
		}
		a.strings[name] = text
	}
	for name, to := range map[string]*string{"iss": &a.Issuer, "sub": &a.Subject, "jti": &a.ID} {
		text, isText := a.strings[name]
		if raw, found := claims[name]; found && !isText && string(raw) != "null" {
			return fmt.Errorf("claim %s is not a string", name)
		}
		// Package json reads different broken escapes as this one character.
		if strings.ContainsRune(text, utf8.RuneError) {
			return fmt.Errorf("claim %s is not Unicode", name)
		}
		*to = text
	}
	if raw, found := claims["aud"]; found {
		if a.Audience, err = readAudience(raw); err != nil {
			return err
		}
	}
	for name, to := range map[string]*time.Time{"nbf": &a.NotBefore, "exp": &a.Expires, "iat": &a.IssuedAt} {
		if raw, found := claims[name]; found {
			if *to, err = readTime(raw); err != nil {
				return fmt.Errorf("claim %s: %w", name, err)
			}
		}
	}
	return nil
}

// members returns the members of a JSON object, or an error if it has two of the same name.
func members(data []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("the payload is not a JSON object")
	}
	all := map[string]json.RawMessage{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := key.(string) // the names of an object's members are strings
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("claim %.40q is there twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		all[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is more than one JSON value in the payload")
	}
	return all, nil
}

// readAudience reads the aud claim: a string or an array of strings.
func readAudience(raw json.RawMessage) (all []string, err error) {
	if raw[0] == '"' {
		one, err := readText(raw)
		if err != nil {
			return nil, fmt.Errorf("claim aud: %w", err)
		}
		return []string{one}, nil
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("claim aud: %w", err)
	}
	return all, nil
}

// readText reads a JSON string that a decoder has found valid. Nearly all have no escapes.
func readText(raw json.RawMessage) (text string, err error) {
	if !bytes.ContainsRune(raw, '\\') {
		return string(raw[1 : len(raw)-1]), nil
	}
	err = json.Unmarshal(raw, &text)
	return text, err
}

// readTime reads a NumericDate (RFC 7519, 2). The result has whole seconds and is zero for null.
func readTime(raw json.RawMessage) (time.Time, error) {
	var seconds *float64
	if err := json.Unmarshal(raw, &seconds); err != nil || seconds == nil {
		return time.Time{}, err
	}
	// Larger values would overflow in conversions and comparisons.
	if *seconds < 0 || *seconds > 1<<40 {
		return time.Time{}, errors.New("the time is out of range")
	}
	return time.Unix(int64(*seconds), 0).UTC(), nil
}
