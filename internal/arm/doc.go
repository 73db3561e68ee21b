// Package arm is the language of Azure Resource Manager: resource ids, types and scopes, request
// paths, api-versions, regions and the error body. It is pure: it knows no store, no
// caller and no HTTP server.
//
// ARM compares ids without regard to case, but answers have the caller's spelling. So an ID has both: String is the spelling, Key the folded form under which everything is stored
// and compared. Fold is the only place in Midas where case is folded, and the parser reads the
// folded path too: it recognises "subscriptions" or "providers" only in what becomes the key. Two
// paths with one key therefore always have the same structure.
//
// ARM's own words, provider namespaces, types and verbs are ASCII: letters, digits, '.', '_' and
// '-' (CheckWord). Names may be in any script (CheckName), because Azure allows letters and digits
// of Unicode in the names of resource groups. Their characters are folded one by one to the simple
// lower-case mapping of Unicode, except that a character outside of ASCII never becomes one of
// ASCII: the Kelvin sign (U+212A) is not a k, and İ (U+0130) is not an i. .NET, in which ARM is
// written, keeps these apart in its ordinal comparison without case, too. Names are not normalised:
// the composed and the decomposed form of one text are two names, as they are in Azure.
package arm
