package host

// The paths under which the server listens to hosts.
const (
	PathPrefix = "/hosts/"
	PathEnroll = "/hosts/v1/enroll"
	PathRenew  = "/hosts/v1/renew"
	PathToken  = "/hosts/v1/token"
	PathState  = "/hosts/v1/state"
	PathAttest = "/hosts/v1/attest"
)

// Headers of requests and answers. A server or a host of an earlier version ignores them.
const (
	// HeaderServers is in answers of PathState: the URLs of all replicas that hosts can reach, separated by commas.
	HeaderServers = "Midas-Servers"
	// HeaderName is beside HeaderServers: the host name of the installation, for which all replicas have a certificate.
	HeaderName = "Midas-Name"
	// HeaderRevision is in requests of a host: the revision of the store of which the host knows. An answer from
	// another replica is not from an earlier one.
	HeaderRevision = "Midas-Revision"
)

// EnrollRequest is sent to PathEnroll, without a client certificate: the token is the proof.
type EnrollRequest struct {
	Token   Secret `json:"token"`
	Request string `json:"request"` // a certificate request, in PEM
}

// RenewRequest is sent to PathRenew.
type RenewRequest struct {
	Request string `json:"request"` // a certificate request with a new key, in PEM
}

// EnrollAnswer is the answer to EnrollRequest and RenewRequest.
type EnrollAnswer struct {
	Resource    string `json:"resource"`    // the ARM id of the resource that the host acts for
	Certificate string `json:"certificate"` // in PEM
}

// Complete reports whether the answer has a certificate.
func (a EnrollAnswer) Complete() bool { return a.Certificate != "" }

// TokenRequest is sent to PathToken.
type TokenRequest struct {
	Audience string `json:"audience"`
	Selector
}

// TokenAnswer is the answer to TokenRequest. ExpiresIn and RefreshIn are seconds from now, so a host whose
// clock is wrong also renews the token in time.
type TokenAnswer struct {
	Token     Secret    `json:"token"`
	NotBefore int64     `json:"notBefore"` // Unix seconds, as in the token
	Expires   int64     `json:"expires"`
	ExpiresIn int64     `json:"expiresIn"`
	RefreshIn int64     `json:"refreshIn"`
	Principal Principal `json:"principal"`
}

// Complete reports whether the answer has a token.
func (a TokenAnswer) Complete() bool { return a.Token != "" && a.ExpiresIn > 0 }

// State is the answer of PathState: the identities of the host and the description of its resource. With the
// query parameter after=VERSION, the server answers when the version is another one, or 204 if it has not
// changed after some seconds.
type State struct {
	Version    string      `json:"version"`
	Revision   uint64      `json:"revision,omitempty"` // of the store, or an earlier one; it has no part in Version; 0: unknown
	Principals []Principal `json:"principals"`
	Instance   Instance    `json:"instance"`
}

// Complete reports whether the answer has a version.
func (s State) Complete() bool { return s.Version != "" }

// AttestRequest is sent to PathAttest.
type AttestRequest struct {
	Nonce string `json:"nonce,omitempty"`
}

// AttestAnswer is a document about the resource, signed by the server.
type AttestAnswer struct {
	Signature []byte `json:"signature"` // PKCS #7 SignedData, DER
}

// Problem is the body of a refusal.
type Problem struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// The codes of refusals.
const (
	CodeNotAssigned     = "IdentityNotAssigned"
	CodeNone            = "NoIdentity"
	CodeSeveral         = "SeveralIdentities"
	CodeAudience        = "InvalidAudience"
	CodeDisabled        = "ResourceDisabled"
	CodeNotAllowed      = "NotAssignedToResource"
	CodeRevoked         = "UnknownHost"
	CodeEnrollmentToken = "InvalidEnrolmentToken"
	CodeLocked          = "ScopeLocked"
	CodeInvalidRequest  = "InvalidRequest"
	CodeNotFound        = "NotFound"
	CodeProxied         = "ProxiedRequest"
	CodeMethod          = "MethodNotAllowed"
	CodeInternal        = "InternalServerError"
	CodeUnavailable     = "ServiceUnavailable"
	CodeBusy            = "TooManyRequests"
)

// codes returns the errors that the server sends to hosts, by code.
func codes() map[string]error {
	return map[string]error{
		CodeNotAssigned: ErrNotAssigned, CodeNone: ErrNone, CodeSeveral: ErrSeveral,
		CodeAudience: ErrAudience, CodeRevoked: ErrRevoked,
		CodeDisabled: ErrResourceDisabled, CodeNotAllowed: ErrNotAllowed,
	}
}

// Reason returns the error of a code, or nil.
func Reason(code string) error { return codes()[code] }
