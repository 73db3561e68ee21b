package metadata

import (
	"net/http"

	"midas/internal/api/httpx"
)

// maxNonce is the longest nonce that Azure accepts.
const maxNonce = 32

// imdsAttested returns a signed document about the machine. A program can hand it to a service that does not
// trust the machine.
func imdsAttested(req *request, q query) error {
	nonce := q.get("nonce")
	if len(nonce) > maxNonce {
		return badRequest("The nonce is longer than 32 characters")
	}
	for _, c := range []byte(nonce) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return badRequest("The nonce has characters other than letters and digits")
		}
	}
	document, err := req.Source.Attest(req.r.Context(), nonce)
	if err != nil {
		return err
	}
	return httpx.WriteJSON(req.w, http.StatusOK, struct {
		Encoding  string `json:"encoding"`
		Signature []byte `json:"signature"`
	}{"pkcs7", document})
}
