package lab

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/azure"
)

// match selects requests. An empty member matches all of them. In all but api and method, * stands for any run of
// characters, and case does not matter.
type match struct {
	API       string `json:"api,omitempty"`       // arm, graph, login, metadata, hosts or checkaccess
	Operation string `json:"operation,omitempty"` // as in the server's log: Microsoft.ManagedIdentity/userAssignedIdentities/write
	Method    string `json:"method,omitempty"`
	Path      string `json:"path,omitempty"`
	Client    string `json:"client,omitempty"` // the client id or the object id of a caller, or its user agent
	Host      string `json:"host,omitempty"`   // of the URL, without the port
}

// apis are the APIs whose answers can be changed, by the names in a match. The values are those of httpx.Event.
func apis() map[string]string {
	return map[string]string{
		"arm": "management", "graph": "graph", "login": "login", "metadata": "metadata", "hosts": "hosts", "checkaccess": "checkaccess",
	}
}

// selects reports whether a request matches.
func (m *match) selects(r *http.Request, ev *httpx.Event) bool {
	return (m.API == "" || apis()[m.API] == ev.API) &&
		(m.Method == "" || arm.SameName(m.Method, r.Method)) &&
		(m.Operation == "" || glob(m.Operation, ev.Operation)) &&
		(m.Path == "" || glob(m.Path, r.URL.Path)) &&
		(m.Host == "" || glob(m.Host, azure.Name(r.Host))) &&
		(m.Client == "" || m.selectsClient(r))
}

// glob reports whether a text matches a pattern in which * stands for any run of characters.
func glob(pattern, text string) bool {
	parts := strings.Split(arm.Fold(pattern), "*")
	text, begins := strings.CutPrefix(arm.Fold(text), parts[0])
	if !begins || len(parts) == 1 {
		return begins && text == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = rest
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

func (m *match) selectsClient(r *http.Request) bool {
	for _, id := range clientsOf(r) {
		if id != "" && glob(m.Client, id) {
			return true
		}
	}
	return false
}

// clientsOf returns the names under which the client of a request may be known. They are not verified, because a fault
// gives nobody a right.
func clientsOf(r *http.Request) []string {
	all := []string{r.UserAgent()}
	if id, _, basic := r.BasicAuth(); basic {
		all = append(all, id)
	}
	if _, token, found := strings.Cut(r.Header.Get("Authorization"), " "); found {
		all = append(all, claimed(token)...)
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		all = append(all, r.TLS.PeerCertificates[0].Subject.CommonName)
	}
	query := r.URL.Query()
	all = append(all, query.Get("client_id"), query.Get("object_id"), query.Get("principal_id"), query.Get("msi_res_id"), query.Get("mi_res_id"))
	if media := r.Header.Get("Content-Type"); strings.HasPrefix(media, "application/x-www-form-urlencoded") {
		all = append(all, formClient(r))
	}
	return all
}

// claimed returns the ids in a token.
func claimed(token string) []string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		AppID    string `json:"appid"`
		Party    string `json:"azp"`
		ObjectID string `json:"oid"`
	}
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return nil
	}
	return []string{claims.AppID, claims.Party, claims.ObjectID}
}

// maxForm is how much of a form is read, in bytes.
const maxForm = 64 << 10

// formClient returns the client id of a form, which the API reads again.
func formClient(r *http.Request) string {
	begin, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
	rest := r.Body
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(begin), rest), rest}
	if err != nil {
		return ""
	}
	form, _ := url.ParseQuery(string(begin)) // what could be read is enough
	return form.Get("client_id")
}
