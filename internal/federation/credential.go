package federation

// Credential is a federated identity credential: it says whose tokens authenticate an application or a managed
// identity.
type Credential struct {
	ID, Name   string
	Issuer     string
	Subject    string
	Expression string // in place of Subject: matches the claims of tokens with different subjects
	Audiences  []string
}
