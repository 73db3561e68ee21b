package token_test

import (
	"context"
	"testing"

	"midas/internal/token"
)

func BenchmarkMintCold(b *testing.B) {
	f := newFixture(b)
	c := f.claims()
	for b.Loop() {
		if _, err := f.issuer.Mint(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTokenWarm(b *testing.B) {
	f := newFixture(b)
	req := f.request()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.minter.Token(context.Background(), req); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyUncached(b *testing.B) {
	f := newFixture(b)
	raw := f.mint(b, f.claims())
	b.ReportAllocs()
	for b.Loop() {
		v := token.Verifier{Keys: f.keys, Now: f.clock.Now, Origin: origin}
		if _, err := v.Verify(context.Background(), raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyCached(b *testing.B) {
	f := newFixture(b)
	raw := f.mint(b, f.claims())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.verifier.Verify(context.Background(), raw); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenKeys opens a store with two keys.
func BenchmarkOpenKeys(b *testing.B) {
	f := newFixture(b)
	if _, err := f.keys.Rotate(context.Background()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := token.OpenKeys(context.Background(), f.cfg); err != nil {
			b.Fatal(err)
		}
	}
}
