package token

// Confirmation binds an access token to a key of its client (RFC 7800). Whoever presents the token has to sign
// a request with that key. Verifier takes bearer tokens only, so it refuses a bound token.
type Confirmation struct {
	KeyID    string `json:"kid"`               // the thumbprint of the key, as the client has computed it
	KeyStore string `json:"xms_ksl,omitempty"` // where the key is kept: sw (software), as Entra repeats it
}
