package arm_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"midas/internal/arm"
)

// everyRune yields each character of Unicode.
func everyRune(yield func(rune) bool) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if utf8.ValidRune(r) && !yield(r) {
			return
		}
	}
}

// The store has folded names. A release of Go with a newer version of Unicode may only add lines to the file,
// for characters that were not assigned before.
func TestFoldIsStableAcrossUnicodeVersions(t *testing.T) {
	var got strings.Builder
	for r := range everyRune {
		if folded := arm.Fold(string(r)); folded != string(r) {
			fmt.Fprintf(&got, "%U %U\n", r, []rune(folded)[0])
		}
	}
	want, err := os.ReadFile("testdata/fold.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("Fold of Unicode %s is not that of testdata/fold.txt", unicode.Version)
	}
}

func TestFoldNeverMapsIntoASCII(t *testing.T) {
	for r := range everyRune {
		folded := arm.Fold(string(r))
		if again := arm.Fold(folded); again != folded {
			t.Errorf("%U folds to %q, and that to %q", r, folded, again)
		}
		if utf8.RuneCountInString(folded) != 1 {
			t.Errorf("%U folds to %q", r, folded)
		}
		if inside := folded[0] < utf8.RuneSelf; inside != (r < utf8.RuneSelf) {
			t.Errorf("%U folds to %q", r, folded)
		}
	}
}

func TestSameNameIsEqualityOfFolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.OneOf(rapid.String(), rapid.StringMatching(`[kKiIsSſıİ\x{212a}\x{ff21}éÉ]{0,6}`), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "a")
		b := rapid.OneOf(rapid.Just(strings.ToUpper(a)), rapid.Just(strings.ToLower(a)), rapid.Just(a+"é"), rapid.String()).Draw(t, "b")
		if got, want := arm.SameName(a, b), arm.Fold(a) == arm.Fold(b); got != want {
			t.Fatalf("SameName(%q, %q) is %v", a, b, got)
		}
		if arm.Fold(arm.Fold(a)) != arm.Fold(a) || arm.Fold(a+b) != arm.Fold(a)+arm.Fold(b) && utf8.ValidString(a) {
			t.Fatalf("Fold is not stable for %q and %q", a, b)
		}
	})
}

// words are paths with a word of ARM, a provider, a type or a verb in braces.
var words = []string{
	"/{subscriptions}",
	"/{tenants}",
	"/{providers}/A.B/c/d",
	"/{subscriptions}/22222222-2222-2222-2222-222222222222",
	"/subscriptions/s/{resourceGroups}",
	"/subscriptions/s/{resourceGroups}/g",
	"/subscriptions/s/{operationresults}/o",
	"/subscriptions/s/{providers}/A.B",
	"/subscriptions/s/providers/{Microsoft.Insights}",
	"/subscriptions/s/resourceGroups/g/{providers}/Microsoft.Compute/virtualMachines/vm",
	"/subscriptions/s/resourceGroups/g/providers/{Microsoft.Compute}/virtualMachines/vm",
	"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/{virtualMachines}",
	"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/{virtualMachines}/vm",
	"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm/{extensions}/x",
	"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm/{start}",
	"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm/{providers}/Microsoft.Authorization/roleAssignments/r",
	"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm/providers/{Microsoft.Authorization}/roleAssignments/r",
	"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm/providers/Microsoft.Authorization/{roleAssignments}/r",
}

// spoiled returns variants of a path: one letter of its word is replaced by r, or r is inserted before or after
// the word.
func spoiled(path string, r rune) []string {
	before, rest, _ := strings.Cut(path, "{")
	word, after, _ := strings.Cut(rest, "}")
	var all []string
	for i := range len(word) {
		all = append(all, before+word[:i]+string(r)+word[i+1:]+after)
	}
	return append(all, before+string(r)+word+after, before+word+string(r)+after)
}

// A path is refused if a word has a character outside of ASCII, both in requests (ParsePath) and in bodies
// (ParseID).
func TestWordsAreASCII(t *testing.T) {
	for _, path := range words {
		before, rest, _ := strings.Cut(path, "{")
		word, after, _ := strings.Cut(rest, "}")
		for r := range everyRune {
			if r < utf8.RuneSelf || unicode.SimpleFold(r) == r { // TestCheckWordAcceptsOnlyASCII tests the others
				continue
			}
			spelled := before + word[:1] + string(r) + word[2:] + after
			if _, err := arm.ParsePath(http.MethodPost, spelled); err == nil {
				t.Fatalf("%U is accepted in %s", r, path)
			}
		}
		for _, r := range "ſıİ\u212a\u212bßẞΩａＡｓＳ\u0301\u200b\u00ad" {
			for _, spelled := range spoiled(path, r) {
				if _, err := arm.ParsePath(http.MethodGet, spelled); err == nil {
					t.Errorf("%s is accepted", spelled)
				}
				if _, err := arm.ParseID(spelled); err == nil {
					t.Errorf("%s is accepted as an id", spelled)
				}
			}
		}
	}
}

func TestCheckWordAcceptsOnlyASCII(t *testing.T) {
	for r := range everyRune {
		allowed := r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r))
		inside := allowed || strings.ContainsRune("._-", r)
		for word, want := range map[string]bool{string(r): allowed, "a" + string(r): inside, "a" + string(r) + "b": inside} {
			if err := arm.CheckWord(word); (err == nil) != want {
				t.Errorf("%q: %v", word, err)
			}
		}
	}
}

// A name may contain exactly the visible characters, and the key of each name parses to the same structure.
func TestCheckNameForEveryCharacter(t *testing.T) {
	const before, after = "/subscriptions/s/resourceGroups/g/providers/A.B/c/x", "y/providers/D.E/f/h"
	for r := range everyRune {
		id, err := arm.ParseID(before + string(r) + after)
		allowed := unicode.IsPrint(r) && !strings.ContainsRune("<>%&:\\?/#\ufffd", r) &&
			!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
		if r == '/' {
			allowed = false // the path has another structure: "y" is a type without a name
		}
		if (err == nil) != allowed {
			t.Errorf("%U: %v", r, err)
			continue
		}
		if err != nil {
			continue
		}
		if err := arm.CheckKey(id.String(), id.Key()); err != nil || id.Parent().Name() != "x"+string(r)+"y" || id.TypeKey() != "d.e/f" {
			t.Errorf("%U: %v in %q", r, err, id)
		}
	}
}

func TestInvisibleNamesAreRejected(t *testing.T) {
	for name, r := range map[string]rune{
		"right-to-left override": '\u202e', "zero width space": '\u200b', "zero width joiner": '\u200d', "byte order mark": '\ufeff',
		"soft hyphen": '\u00ad', "next line": '\u0085', "no-break space": '\u00a0', "ideographic space": '\u3000', "line separator": '\u2028',
		"private use": '\ue000', "unassigned": '\u0378', "noncharacter": '\uffff', "Hangul filler": '\u3164', "variation selector": '\ufe0f',
		"tag": '\U000e0041', "combining grapheme joiner": '\u034f', "replacement character": '\ufffd',
	} {
		if arm.CheckName("a"+string(r)+"b") == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for _, name := range []string{"名前", "Größe", "é", "e\u0301", "İstanbul", "\u212aelvin", "ﬁ", "🙂", "a b", "ΑΣ", "ſ"} {
		if err := arm.CheckName(name); err != nil {
			t.Errorf("%s %v", name, err)
		}
	}
}

// aPath draws paths of all forms, with letters that fold to others.
func aPath() *rapid.Generator[string] {
	word := rapid.SampledFrom([]string{
		"subscriptions", "resourceGroups", "providers", "tenants", "A.B", "Microsoft.Compute", "virtualMachines", "locations", "do",
		"Subſcriptions", "resourcegroupſ", "provİders", "provıders", "SUBSCRIPTIONS", "PROVIDERS", "\u212ainds", "kinds", "Kinds",
	})
	name := rapid.OneOf(word, rapid.StringMatching(`[aAiIkKsSſıİ\x{212a}\x{212b}åßẞΑΣσςⱥȺé%./ -]{0,5}`), rapid.StringN(0, 4, -1))
	segment := rapid.OneOf(word, name)
	return rapid.Map(rapid.SliceOfN(segment, 0, 12), func(s []string) string { return "/" + strings.Join(s, "/") })
}

// recased changes the case of every character of a text that has one.
func recased(s string) string {
	return strings.Map(func(r rune) rune {
		if folded := unicode.SimpleFold(r); arm.SameName(string(folded), string(r)) {
			return folded
		}
		return r
	}, s)
}

func TestPathsWithOneKeyHaveOneStructure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := aPath().Draw(t, "path")
		method := rapid.SampledFrom([]string{http.MethodGet, http.MethodPost}).Draw(t, "method")
		is, err := arm.ParsePath(method, strings.ReplaceAll(path, "%", "%25"))
		for _, other := range []string{arm.Fold(path), recased(path), path + "/"} {
			again, failed := arm.ParsePath(method, strings.ReplaceAll(other, "%", "%25"))
			if (failed == nil) != (err == nil) && !(other == path+"/" && strings.HasSuffix(path, "/")) && len(other) == len(path) {
				t.Fatalf("%q: %v, but %q: %v", path, err, other, failed)
			}
			if err == nil && failed == nil && structure(again) != structure(is) {
				t.Fatalf("%q is %s, but %q is %s", path, structure(is), other, structure(again))
			}
		}
		if err != nil {
			return
		}
		if p, err := arm.ParsePath(http.MethodGet, strings.ReplaceAll(is.ID.String(), "%", "%25")); err != nil || p.ID.Key() != is.ID.Key() {
			t.Fatalf("%q reads back as %q: %v", is.ID, p.ID, err)
		}
		if _, err := arm.ParseID(is.ID.String()); err != nil && is.Type.Is(arm.TypeProvider) {
			return // a provider alone is not an id
		}
		if err := arm.CheckKey(is.ID.String(), is.ID.Key()); err != nil {
			t.Fatal(err)
		}
		spelled, err := arm.ParseID(is.ID.Spell(is.ID.Type()))
		if err != nil || spelled.Key() != is.ID.Key() {
			t.Fatalf("%q is spelled %q: %v", is.ID, spelled, err)
		}
	})
}

// spread draws a path with empty segments inserted anywhere, never two together.
func spread(t *rapid.T, path string) string {
	var b strings.Builder
	for i, c := range path {
		b.WriteRune(c)
		if c == '/' && (i == 0 || path[i-1] != '/') && !strings.HasPrefix(path[i+1:], "/") && rapid.Bool().Draw(t, "empty") {
			b.WriteByte('/')
		}
	}
	return b.String()
}

// With any number of single empty segments, a path has the structure and the key that it has without them.
func TestEmptySegmentsDoNotChangeTheStructure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path, skipped := strings.ReplaceAll(aPath().Draw(t, "path"), "%", "%25"), error(nil)
		if path, skipped = arm.SkipEmptySegments(path); skipped != nil {
			t.Skip("two empty segments together")
		}
		with := spread(t, path)
		again, err := arm.SkipEmptySegments(with)
		if err != nil || again != path {
			t.Fatalf("%q is read as %q: %v", with, again, err)
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			is, err := arm.ParsePath(method, path)
			other, failed := arm.ParsePath(method, again)
			if (err == nil) != (failed == nil) || err == nil && (structure(is) != structure(other) || is.ID.String() != other.ID.String()) {
				t.Fatalf("%q is %s (%v), but %q is %s (%v)", path, structure(is), err, with, structure(other), failed)
			}
			if _, err := arm.ParsePath(method, with); err == nil && len(with) > len(path) && !strings.HasSuffix(with, "//") && with != "//" {
				t.Fatalf("%q is parsed with its empty segments", with)
			}
		}
		three := strings.Replace(with, "/", "///", 1)
		if kept, err := arm.SkipEmptySegments(three); err == nil || kept != path {
			t.Fatalf("%q is read as %q", three, kept)
		}
	})
}

// structure returns everything that decides the meaning of a path, folded.
func structure(p arm.Path) string {
	text := fmt.Sprintf("%s %s %s at %d, unscoped %t", p.TypeKey(), p.Target, arm.Fold(p.Verb), p.Level(), p.Unscoped())
	for id := range p.ID.Ancestors() {
		text += fmt.Sprintf("\n%s %s %s %d in %s %s", id.Key(), id.TypeKey(), arm.Fold(id.Name()), id.Level(), id.SubscriptionScope().Key(), id.GroupScope().Key())
	}
	return text
}

// The test covers all short paths, and so more pairs than those that differ only in case.
func TestAllShortPathsWithOneKeyHaveOneStructure(t *testing.T) {
	segments := []string{"subscriptions", "Subscriptions", "subſcriptions", "subscrİptions", "resourceGroups", "reſourceGroups", "providers", "PROVIDERS", "provİders", "K", "k", "\u212a"}
	seen := map[string]string{}
	var grow func(path string, depth int)
	grow = func(path string, depth int) {
		if p, err := arm.ParsePath(http.MethodGet, path); err == nil {
			key := arm.Fold(path)
			if before, known := seen[key]; known && before != structure(p) {
				t.Fatalf("%q is %s, not %s", path, structure(p), before)
			}
			seen[key] = structure(p)
		}
		if depth > 0 {
			for _, s := range segments {
				grow(path+"/"+s, depth-1)
			}
		}
	}
	grow("", 5)
	if len(seen) < 1000 {
		t.Errorf("only %d paths", len(seen))
	}
}
