// Package backup writes the whole content of a store at one revision into a file, and a file into an empty store of
// any engine.
//
// A backup begins with one line of JSON, the Header. The records follow in the order of their keys, and between them
// changes, each of which replaces or removes what precedes it in the file: a store that others write is read in pages,
// and the changes are what happened to earlier pages meanwhile. So the whole file shows one revision, the newest at its
// end, although no engine keeps a revision for long.
//
// A record or change is a number, the key, the length of the value and the value. The number is four times the length of
// the key, and 1 more for a change, 2 more for a removal, which has no value. Numbers are unsigned varints
// (encoding/binary). 0 ends them. Then come the number of records and changes and the newest revision as varints, and
// last the SHA-256 of all bytes before it. Nothing follows. In format 1 there were no changes, and the number was the
// length of the key.
//
// Sealed values stay sealed: without the master key, whose fingerprint the Header has, a backup signs no tokens. It has
// the hashes of secrets and passwords, so it must be kept private.
package backup
