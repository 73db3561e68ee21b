package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"midas/internal/arm"
	"midas/internal/clock"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

// maxProofLifetime is the longest time for which a proof is valid, as in Microsoft Graph.
const maxProofLifetime = 10 * time.Minute

// proofAudiences are the audiences of a proof: the client ids of Azure AD Graph and of Microsoft Graph.
func proofAudiences() []string {
	return []string{"00000002-0000-0000-c000-000000000000", directory.GraphAppID}
}

// addKey adds a certificate to an application or to a service principal. The proof, which is signed with the
// key of a certificate that the object already has, lets an application renew its certificate without a
// privilege.
func (h *Handler) addKey(ctx context.Context, req *Request) (*Response, error) {
	var k keyCredential
	if json.Unmarshal(req.Body["keyCredential"], &k) != nil {
		return nil, errValue("keyCredential")
	}
	if raw, given := req.Body["passwordCredential"]; given && !isNull(raw) {
		return nil, errValue("passwordCredential") // only keys of the type X509CertAndPassword have one
	}
	k.KeyID = ""
	cert, err := k.certificate(nil)
	if err != nil {
		return nil, err
	}
	cert.KeyID = h.NewID()
	err = h.update(ctx, req, func(tx store.Tx) error {
		if err := h.checkProof(tx, req); err != nil {
			return err
		}
		return h.addCertificate(tx, req, cert)
	})
	if err != nil {
		return nil, err
	}
	body := keyCredentialObject(cert).prefixed(property{"@odata.context", req.context("microsoft.graph.keyCredential", nil, false)})
	return &Response{Status: http.StatusOK, Body: body}, nil
}

// removeKey removes a certificate. It needs a proof, as addKey does.
func (h *Handler) removeKey(ctx context.Context, req *Request) (*Response, error) {
	var keyID string
	if json.Unmarshal(req.Body["keyId"], &keyID) != nil || keyID == "" {
		return nil, errBadRequest("The parameter 'keyId' is required.")
	}
	err := h.update(ctx, req, func(tx store.Tx) error {
		if err := h.checkProof(tx, req); err != nil {
			return err
		}
		err := h.removeCertificate(tx, req, keyID)
		if errors.Is(err, directory.ErrNotFound) {
			return errBadRequest("No key credential found with keyId '%s'.", clip(keyID))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return noContentResponse(), nil
}

// checkProof checks the proof of a request: a JWT whose issuer is the object id of the application or service
// principal, signed with the key of one of its valid certificates.
func (h *Handler) checkProof(tx store.Tx, req *Request) error {
	var raw string
	if json.Unmarshal(req.Body["proof"], &raw) != nil {
		return errProof()
	}
	proof, err := token.ParseAssertion(raw)
	if err != nil || !arm.SameName(proof.Issuer, req.Object.id) || !timelyProof(proof, h.Now()) {
		return errProof()
	}
	if !slices.ContainsFunc(proof.Audience, func(one string) bool { return slices.Contains(proofAudiences(), arm.Fold(one)) }) {
		return errProof()
	}
	find, err := h.certificates(tx, req)
	if err != nil {
		return err
	}
	for _, thumbprint := range proof.Thumbprints {
		cert, found := find(thumbprint)
		if !found || !cert.ValidAt(h.Now()) {
			continue
		}
		key, err := cert.PublicKey()
		if err != nil {
			return err
		}
		if proof.Verify(key) == nil {
			return nil
		}
	}
	return errProof()
}

// timelyProof reports whether a proof is valid now and for no longer than maxProofLifetime.
func timelyProof(proof *token.Assertion, now time.Time) bool {
	lifetime := proof.Expires.Sub(proof.NotBefore)
	if proof.NotBefore.IsZero() || lifetime <= 0 || lifetime > maxProofLifetime {
		return false
	}
	return clock.Begun(proof.NotBefore, now) && now.Add(-clock.Skew).Before(proof.Expires)
}

// errProof has the text of Graph's error, which clients show to users.
func errProof() error {
	return errorf(http.StatusUnauthorized, "Authentication_MissingOrMalformed", "Access Token missing or malformed.")
}

// certificates returns the look-up of the certificates of the object of the request, by thumbprint.
func (h *Handler) certificates(tx store.Tx, req *Request) (func([]byte) (directory.Certificate, bool), error) {
	if req.Object.kind == directory.ObjectServicePrincipal {
		p, err := h.Directory.ServicePrincipal(tx, req.Caller.tenant, req.Object.id)
		return p.Certificate, err
	}
	a, err := h.Directory.Application(tx, req.Caller.tenant, req.Object.id)
	return a.Certificate, err
}

func (h *Handler) addCertificate(tx store.Tx, req *Request, c directory.Certificate) error {
	if req.Object.kind == directory.ObjectServicePrincipal {
		return h.Directory.AddPrincipalCertificate(tx, req.Caller.tenant, req.Object.id, c)
	}
	a, err := h.Directory.Application(tx, req.Caller.tenant, req.Object.id)
	if err != nil {
		return err
	}
	return h.Directory.AddCertificate(tx, req.Caller.tenant, a.AppID, c)
}

func (h *Handler) removeCertificate(tx store.Tx, req *Request, keyID string) error {
	if req.Object.kind == directory.ObjectServicePrincipal {
		return h.Directory.RemovePrincipalCertificate(tx, req.Caller.tenant, req.Object.id, keyID)
	}
	a, err := h.Directory.Application(tx, req.Caller.tenant, req.Object.id)
	if err != nil {
		return err
	}
	return h.Directory.RemoveCertificate(tx, req.Caller.tenant, a.AppID, keyID)
}
