package arm

import (
	"regexp"
	"strings"
)

// IsGUID reports whether s is a GUID in its usual form of 36 characters, in either case.
func IsGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !isHex(c) {
			return false
		}
	}
	return true
}

// maxGUID is the length of the longest text that ParseGUID reads, in bytes. The longest form has 68.
const maxGUID = 128

// ParseGUID reads a GUID in any of the forms that .NET's Guid.Parse takes, because Resource Manager reads the
// GUIDs of bodies and filters with it: 32 digits; with hyphens; these in braces or parentheses; and the form
// {0x…,0x…,0x…,{0x…,…}}. White space before and after it is ignored. It returns the usual form in lower
// case, so that one GUID has one text.
func ParseGUID(s string) (guid string, ok bool) {
	if len(s) > maxGUID {
		return "", false
	}
	s = Fold(strings.TrimSpace(s))
	switch {
	case len(s) == 38 && (s[0] == '{' && s[37] == '}' || s[0] == '(' && s[37] == ')'):
		s = s[1:37]
	case len(s) == 32 && allHex(s):
		return hyphenated(s), true
	case strings.HasPrefix(s, "{0x"):
		return parseHexGUID(s)
	}
	return s, IsGUID(s)
}

// hexGUID is the form with eleven hexadecimal numbers, of at most 8, 4, 4 and eight times 2 digits.
var hexGUID = regexp.MustCompile(`^\{0x([0-9a-f]{1,8}),0x([0-9a-f]{1,4}),0x([0-9a-f]{1,4}),\{` +
	`0x([0-9a-f]{1,2})` + strings.Repeat(`,0x([0-9a-f]{1,2})`, 7) + `\}\}$`)

func parseHexGUID(s string) (string, bool) {
	numbers := hexGUID.FindStringSubmatch(strings.ReplaceAll(s, " ", ""))
	if numbers == nil {
		return "", false
	}
	var digits strings.Builder
	for i, number := range numbers[1:] {
		width := 2
		switch i {
		case 0:
			width = 8
		case 1, 2:
			width = 4
		}
		digits.WriteString(strings.Repeat("0", width-len(number)) + number)
	}
	return hyphenated(digits.String()), true
}

// hyphenated inserts the hyphens into 32 digits.
func hyphenated(digits string) string {
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
}

func allHex(s string) bool {
	for i := range len(s) {
		if !isHex(s[i]) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
