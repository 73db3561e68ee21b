package metadata

import (
	"slices"
	"strings"

	"midas/internal/api/httpx"
	"midas/internal/host"
)

// serverName is the Server header of the metadata service. Some clients look for "IMDS" in it.
var serverName = httpx.Fixed("Server", "IMDS/150.870.65.1854")

const (
	pathToken    = "/metadata/identity/oauth2/token"
	pathInfo     = "/metadata/identity/info"
	pathVersions = "/metadata/versions"
	pathInstance = "/metadata/instance"
	pathAttested = "/metadata/attested/document"
)

// versions returns the versions of the metadata service, the oldest first.
func versions() []string {
	return []string{
		"2017-03-01", "2017-04-02", "2017-08-01", "2017-10-01", "2017-12-01", "2018-02-01", "2018-04-02", "2018-10-01",
		"2019-02-01", "2019-03-11", "2019-04-30", "2019-06-01", "2019-06-04", "2019-08-01", "2019-08-15", "2019-11-01",
		"2020-06-01", "2020-07-15", "2020-09-01", "2020-10-01", "2020-12-01", "2021-01-01", "2021-02-01", "2021-03-01",
		"2021-05-01", "2021-08-01", "2021-10-01", "2021-11-01", "2021-11-15", "2021-12-13", "2023-07-01", "2023-11-15",
		"2024-03-15", "2024-07-17", "2025-04-07",
	}
}

// imds is the Azure Instance Metadata Service.
type imds struct{ versions []string }

// NewIMDS serves the Azure Instance Metadata Service, which on Azure is at http://169.254.169.254.
func NewIMDS(c Config) *Endpoint { return newEndpoint(c, imds{versions()}) }

func (p imds) serve(req *request) error {
	serverName.Set(req.w.Header())
	// An unknown path gets 404 before anything else is checked, because clients probe paths without the
	// Metadata header to find out which service answers.
	operation, label, since := p.operation(req)
	if operation == nil {
		return errNotFound()
	}
	req.ev.Operation = label
	if err := req.method("GET"); err != nil {
		return err
	}
	if err := req.admit(); err != nil {
		return err
	}
	if err := req.requireMetadataHeader(); err != nil {
		return err
	}
	q, err := req.query()
	if err != nil {
		return err
	}
	if v := q.get("api-version"); since != "" && (v < since || !slices.Contains(p.versions, v)) {
		return p.badVersion()
	}
	return operation(req, q)
}

// operation returns the operation of a path, its label, and the first version that has it, which is empty for
// an operation without versions.
func (p imds) operation(req *request) (serve func(*request, query) error, label, since string) {
	switch path := req.r.URL.Path; {
	case req.pathIs(pathToken):
		return imdsToken, "imds/token", "2018-02-01"
	case req.pathIs(pathInfo):
		return imdsInfo, "imds/info", "2018-02-01"
	case req.pathIs(pathVersions):
		return p.listVersions, "imds/versions", ""
	case req.pathIs(pathAttested):
		return imdsAttested, "imds/attested", "2018-10-01"
	case req.pathIs(pathInstance), strings.HasPrefix(path, pathInstance+"/") && !strings.Contains(path, "//"):
		return imdsInstance, "imds/instance", "2017-04-02"
	}
	return nil, "", ""
}

func (p imds) badVersion() error {
	newest := slices.Clone(p.versions[len(p.versions)-3:])
	slices.Reverse(newest)
	return errVersion(newest...)
}

// errorBody returns an error of OAuth 2.0 for paths below /metadata/identity/, and {"error": text} for others.
func (p imds) errorBody(req *request, f *fault) any {
	switch {
	case f.kind == kindVersion:
		return struct {
			Error  string   `json:"error"`
			Newest []string `json:"newest-versions"`
		}{f.text, f.versions}
	case f.kind == kindNotFound || !strings.HasPrefix(req.r.URL.Path, "/metadata/identity/"):
		text := f.text
		if f.code == invalidRequest {
			text = "Bad request. " + text
		}
		return struct {
			Error string `json:"error"`
		}{text}
	}
	return oauthError{f.code, f.text}
}

// oauthError is an error body of OAuth 2.0 (RFC 6749, 5.2).
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func imdsSelectors() selectorNames {
	return selectorNames{
		client: []string{"client_id"}, object: []string{"object_id", "principal_id"},
		resource: []string{"msi_res_id", "mi_res_id"},
	}
}

// imdsToken answers with a token. All members of the answer are strings, numbers too.
func imdsToken(req *request, q query) error {
	t, err := req.token(q, imdsSelectors())
	if err != nil {
		return err
	}
	return req.send(req.tokenOfStrings(t))
}

func (req *request) tokenOfStrings(t *host.Token) body {
	left := remaining(t, req.Now())
	return newBody(t).
		text("access_token", string(t.Raw)).
		text("client_id", t.Principal.ClientID).
		quotedNumber("expires_in", left).
		quotedNumber("expires_on", t.Expires.Unix()).
		quotedNumber("ext_expires_in", left).
		quotedNumber("not_before", t.NotBefore.Unix()).
		text("refresh_token", "").
		text("resource", t.Audience).
		text("token_type", "Bearer")
}

// imdsInfo answers with the tenant of the machine's identities.
func imdsInfo(req *request, _ query) error {
	instance, err := req.Source.Instance(req.r.Context())
	if err != nil {
		return err
	}
	return req.send(body(nil).text("tenantId", instance.TenantID))
}

func (p imds) listVersions(req *request, _ query) error {
	return httpx.WriteJSON(req.w, 200, struct {
		Versions []string `json:"apiVersions"`
	}{p.versions})
}
