// Package arm implements the language of Azure Resource Manager: resource ids, types and scopes, request
// paths, api-versions, regions and the error body. It depends on no store and no HTTP server.
//
// ARM compares ids without case, but answers with the caller's spelling. So an ID has both: String returns the
// spelling, and Key the folded form, which is used to store and compare ids. Fold is the only function in
// Midas that folds case. The parser decides by the folded path too: it recognises "subscriptions" or
// "providers" only in the segments of the key. Two paths with one key therefore always have the same structure.
//
// The words of ARM, provider namespaces, types and verbs are ASCII: letters, digits, '.', '_' and '-'
// (CheckWord). Names may be in any script (CheckName), because Azure allows letters and digits of Unicode in
// the names of resource groups. Fold maps each character of a name by the simple lower-case mapping of Unicode,
// except that it never maps a character outside of ASCII to one of ASCII: the Kelvin sign (U+212A) is not a k,
// and İ (U+0130) is not an i. .NET, in which ARM is written, makes the same distinction in its ordinal
// comparison without case. Names are not normalised: the composed and the decomposed form of one text are
// two names, as they are in Azure.
package arm
