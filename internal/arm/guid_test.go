package arm_test

import (
	"testing"

	"pgregory.net/rapid"

	"midas/internal/arm"
)

func TestParseGUIDTakesTheFormsOfDotNet(t *testing.T) {
	const want = "0a1b2c3d-0405-0607-0809-0a0b0c0d0eff"
	for _, s := range []string{
		want, "0A1B2C3D-0405-0607-0809-0A0B0C0D0EFF", "0a1b2c3d0405060708090a0b0c0d0eff", "0A1B2C3D0405060708090A0B0C0D0EFF",
		"{0a1b2c3d-0405-0607-0809-0a0b0c0d0eff}", "(0A1B2C3D-0405-0607-0809-0A0B0C0D0EFF)", " \t" + want + "\r\n",
		"{0x0a1b2c3d,0x0405,0x0607,{0x08,0x09,0x0a,0x0b,0x0c,0x0d,0x0e,0xff}}",
		"{0XA1B2C3D, 0x405, 0x607, {0x8, 0x9, 0xA, 0xB, 0xC, 0xD, 0xE, 0xFF}}",
	} {
		if got, ok := arm.ParseGUID(s); !ok || got != want {
			t.Errorf("ParseGUID(%q) = %q, %v", s, got, ok)
		}
	}
}

func TestParseGUIDRefusesOtherTexts(t *testing.T) {
	for _, s := range []string{
		"", "{}", "guid", "{0a1b2c3d-0405-0607-0809-0a0b0c0d0eff", "0a1b2c3d-0405-0607-0809-0a0b0c0d0eff}",
		"{0a1b2c3d-0405-0607-0809-0a0b0c0d0eff)", "{0a1b2c3d0405060708090a0b0c0d0eff}", "0a1b2c3d-04050607-0809-0a0b0c0d0eff",
		"0a1b2c3d0405060708090a0b0c0d0ef", "0a1b2c3d0405060708090a0b0c0d0efff", "0a1b2c3d-0405-0607-0809-0a0b0c0d0efg",
		"{0x0a1b2c3d,0x0405,0x0607}", "{0x0a1b2c3d,0x0405,0x0607,{0x08,0x09,0x0a,0x0b,0x0c,0x0d,0x0e,0x1ff}}",
		"((0a1b2c3d-0405-0607-0809-0a0b0c0d0eff))", "{0a1b2c3d\u2010-0405-0607-0809-0a0b0c0d0eff}",
	} {
		if got, ok := arm.ParseGUID(s); ok {
			t.Errorf("ParseGUID(%q) = %q", s, got)
		}
	}
}

// What ParseGUID returns is a GUID in its usual form, whatever the text, and parses to itself.
func TestParseGUIDReturnsTheUsualForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.StringMatching(`[({]?[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}[)}]?`), rapid.String()).Draw(t, "text")
		got, ok := arm.ParseGUID(s)
		if !ok {
			return
		}
		if again, parses := arm.ParseGUID(got); !parses || again != got || !arm.IsGUID(got) || arm.Fold(got) != got {
			t.Fatalf("ParseGUID(%q) = %q", s, got)
		}
	})
}
