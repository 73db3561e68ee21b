package federation

// Attempt is what the token endpoint decides about an exchange that nobody has asked it for.
type Attempt struct {
	Refused     error  // nil: it would be granted. Its causes may be a *Mismatch and an *IssuerError
	Code        string // of the refusal, as clients get it: AADSTS700213
	Own         bool   // this server has issued the token
	Credentials []Credential
}
