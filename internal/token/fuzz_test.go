package token_test

import (
	"strings"
	"testing"
)

// FuzzVerify looks for an encoding, other than the minted one, that the verifier accepts. $token, $header,
// $claims and $signature in an input are replaced by the valid token and its parts.
func FuzzVerify(f *testing.F) {
	x := newFixture(f)
	good := x.mint(f, x.claims())
	parts := strings.Split(good, ".")
	fill := strings.NewReplacer("$token", good, "$header", parts[0], "$claims", parts[1], "$signature", parts[2], "$kid", x.keys.Signer())
	f.Add("$token")
	f.Add("$header.$claims.")
	f.Fuzz(func(t *testing.T, input string) {
		raw := fill.Replace(input)
		claims, err := x.verifier.Verify(t.Context(), raw)
		if (claims == nil) != (err != nil) {
			t.Fatalf("claims %v and error %v", claims, err)
		}
		if (err == nil) != (raw == good) {
			t.Fatalf("%q: error %v", raw, err)
		}
	})
}
