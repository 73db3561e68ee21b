// Package backup writes the whole content of a store at one revision into a file, and a file into an empty store of
// any engine.
//
// A backup begins with one line of JSON, the Header. The records follow in the order of their keys, each as the length
// of the key, the key, the length of the value and the value; a length is an unsigned varint (encoding/binary). A key
// of length 0 ends them. Then come the number of records and the newest revision as varints, and last the SHA-256 of
// all bytes before it. Nothing follows. Sealed values stay sealed: without the master key, whose fingerprint the
// Header has, a backup signs no tokens. It has the hashes of secrets and passwords, so it must be kept private.
package backup
