package token_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"midas/internal/token"
)

// membersByDecoder reads the members of a JSON object token by token with package json.
func membersByDecoder(data []byte) (map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if open, err := d.Token(); err != nil || open != json.Delim('{') || !utf8.Valid(data) {
		return nil, errors.New("no object")
	}
	all := map[string]string{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		if _, twice := all[key.(string)]; twice {
			return nil, errors.New("a member is there twice")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		all[key.(string)] = string(value)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows")
	}
	return all, nil
}

// FuzzReadObject compares the members of an object with those that a decoder of package json reads.
func FuzzReadObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : "b" , "c":[1,{"d":"]}"}],"e":{"f":[null]}, "g":-1.5e3,"h":true} `, "\t{\"a\":1\r\n}\n", `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`,
		`{"a":"\\\"","b":"\""}`, `{"a":1}{"b":2}`, `{"a":1},`, `{"a" 1}`, `{"a":1 "b":2}`, `{"a":}`, `{"a"`, `[]`, `null`, ``, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`,
		`{"":0}`, `{"a":[[[[]]],{}]}`, `{"a":01}`, `{"iss":"i","ISS":"j"}`, `{"a":1,}`, `{,}`, `{"b":1,"a":2,"b":3}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := token.ReadObject(data)
		want, refused := membersByDecoder(data)
		if (err == nil) != (refused == nil) {
			t.Fatalf("%q: error %v, want %v", data, err, refused)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", data, diff)
		}
	})
}

// FuzzAssertionHeader looks for a header that is accepted although go-jose refuses it, or that is read otherwise.
func FuzzAssertionHeader(f *testing.F) {
	for _, seed := range []string{
		`{"alg":"RS256"}`, `{"alg":"PS256","kid":"k","typ":"JWT"}`, `{"alg":"none"}`, `{"alg":1}`, `{"ALG":"RS256"}`, `{"alg":"RS256","alg":"none"}`,
		`{"alg":"RS256","kid":1}`, `{"alg":"RS256","kid":null,"typ":null}`, `{"alg":"RS256","typ":[]}`, `{"alg":"RS256","crit":["exp"],"exp":1}`,
		`{"alg":"RS256","b64":false}`, `{"alg":"RS256","jwk":{"kty":"oct","k":"AA"}}`, `{"alg":"RS256","x5c":["AA"]}`, `{"alg":"RS256","nonce":1}`,
		`{"alg":"RS256","\u006bid":"k"}`, `{"alg":"RS256"}{}`, `[]`, `{"alg":"RS256","x5t":1,"other":{"a":[1]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		raw := base64.RawURLEncoding.EncodeToString(header) + ".e30.AAAA"
		a, err := token.ParseAssertion(raw)
		if err != nil {
			return
		}
		signed, refused := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.PS256})
		if refused != nil {
			t.Fatalf("%q is accepted, go-jose says %v", header, refused)
		}
		protected := signed.Signatures[0].Protected
		typ, _ := protected.ExtraHeaders[jose.HeaderType].(string)
		want, got := []string{protected.Algorithm, protected.KeyID, typ}, []string{a.Algorithm, a.Kid, a.Type}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", header, diff)
		}
		for _, name := range []jose.HeaderKey{"crit", "b64"} {
			if _, found := protected.ExtraHeaders[name]; found {
				t.Errorf("%q has %s", header, name)
			}
		}
	})
}
