// Package grant keeps what users have granted to the programs with which they sign in: the
// authorization codes, refresh tokens and device codes of the token endpoint.
//
// What a client holds is sealed: it names a record, or says everything itself, and nobody can read
// or make one without the server's master key. What the store holds is no secret: a copy of it lets
// nobody sign in. An authorization code is not in the store at all until it is redeemed; then a
// record says so for as long as the code would have been good. A refresh token is one generation of
// a family, whose record counts the generations; who comes with an old one makes the family end,
// because then two hold what only one should. A device code waits in the store, so that any replica
// can take a user's answer and any other can tell it to the device.
//
// A session, by which a browser need not ask for the password again, lies under the hash of the id in the
// browser's cookie. It is good together with a key that the browser keeps for the server's origin only.
//
// A user has at most MaxFamilies families, which a list of theirs counts, and at most MaxFamiliar
// familiar addresses, from which they have signed in: nobody locks a user out there by guessing from
// elsewhere (throttle.PasswordLimiter).
//
// Records lie with the tenant's directory, under d/<tenant>/code/, rt/ and device/. Each has an
// entry in d//expiry/, in order of time, by which Run finds what is over.
package grant
