package federation

// lookAlikes returns letters and signs that look like one of ASCII, with that character. They are from Unicode's list
// of confusable characters (UTS 39), as far as they occur on keyboards and in what word processors write.
func lookAlikes() map[rune]rune {
	table := map[rune]rune{}
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
		plain := []rune(pair[1])
		for i, r := range []rune(pair[0]) {
			table[r] = plain[i]
		}
	}
	return table
}
