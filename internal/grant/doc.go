// Package grant manages the authorization codes, refresh tokens and device codes that users grant to
// clients, and the sessions of browsers.
//
// Codes and tokens are sealed: nobody can read or make one without the server's master key. The store
// holds no secret: a copy of it lets nobody sign in. An authorization code carries all its data and is not
// in the store until it is redeemed; then a record marks it as redeemed until the code would have expired.
// A refresh token belongs to a family, whose record lists the tokens that were not exchanged yet. Programs that
// exchange one token at the same moment get a successor each. Any later use of an exchanged token ends the
// family, because then a second party has a copy of it. A device code is in the store from the start, so that
// any replica can record the user's decision and any other can pass it on to the device.
//
// A session lets a browser skip the password. It is stored under the hash of the id in the browser's
// cookie, and it is valid only together with a key that the browser stores for the server's origin.
//
// A user has at most MaxFamilies families, which one list per user counts, and at most MaxFamiliar
// familiar addresses, which are addresses from which they have signed in. Wrong passwords from other
// addresses do not lock the user out at a familiar one (throttle.PasswordLimiter).
//
// Records are stored under d/<tenant>/code/, rt/ and device/. Each has an entry in d//expiry/, ordered by
// time, by which Run finds expired records.
package grant
