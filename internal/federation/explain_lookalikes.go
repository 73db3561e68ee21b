package federation

import (
	"strings"
	"unicode/utf8"
)

// lookAlike returns the character of ASCII that a letter or sign looks like, or the character itself. They are from
// Unicode's list of confusable characters (UTS 39), as far as they occur on keyboards and in what word processors write.
func lookAlike(r rune) rune {
	if r < utf8.RuneSelf {
		return r
	}
	for _, pair := range [][2]string{
		{"аеорсухіјѕԁһԛԝӏ", "aeopcyxijsdhqwl"}, // Cyrillic, lower case
		{"АВЕКМНОРСТУХІЈЅ", "ABEKMHOPCTYXIJS"}, // Cyrillic, upper case
		{"αοινρυκ", "aoivpuk"},                 // Greek, lower case
		{"ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"},   // Greek, upper case
		{"ıɡɑ", "iga"},                     // Latin
		{"‐‑‒–—―−﹣", "--------"},           // hyphens and dashes
		{"‘’‚ʼ′“”„", `''''` + `'` + `"""`}, // quotation marks
		{"∕⁄⧸", "///"},                     // slashes
		{"։׃∶ː꞉", ":::::"},                 // colons
		{"＠﹫", "@@"}, {"٭∗", "**"}, {"․", "."},
	} {
		if at := strings.IndexRune(pair[0], r); at >= 0 {
			return rune(pair[1][utf8.RuneCountInString(pair[0][:at])])
		}
	}
	return r
}
