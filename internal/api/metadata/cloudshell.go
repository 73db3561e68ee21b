package metadata

import (
	"io"
	"mime"
	"net/http"
)

// pathCloudShell is the path of Azure Cloud Shell's endpoint.
const pathCloudShell = "/oauth2/token"

// maxForm is the largest form, in bytes.
const maxForm = 8 << 10

// cloudShell is the protocol of Azure Cloud Shell. It is the only protocol with a POST.
type cloudShell struct{}

// NewCloudShell serves the protocol of Azure Cloud Shell. Azure's tokens are for the user of the shell; these
// are for the resource's identities.
func NewCloudShell(c Config) *Endpoint { return newEndpoint(c, cloudShell{}) }

func (cloudShell) serve(req *request) error {
	if !req.pathIs(pathCloudShell) {
		return errNotFound()
	}
	req.ev.Operation = "cloudshell/token"
	if err := req.method(http.MethodPost); err != nil {
		return err
	}
	if err := req.admit(); err != nil {
		return err
	}
	if err := req.requireMetadataHeader(); err != nil {
		return err
	}
	form, err := req.form()
	if err != nil {
		return err
	}
	t, err := req.token(form, imdsSelectors())
	if err != nil {
		return err
	}
	return req.send(req.tokenOfStrings(t))
}

func (cloudShell) errorBody(_ *request, f *fault) any {
	return struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}{struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{f.code, f.text}}
}

// form reads a posted form. Its parameters follow the rules of parameters, as those of a URL do.
func (req *request) form() (query, error) {
	mediaType, _, err := mime.ParseMediaType(req.r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return nil, &fault{status: http.StatusUnsupportedMediaType, code: invalidRequest, text: "The request is not a form"}
	}
	data, err := io.ReadAll(http.MaxBytesReader(req.w, req.r.Body, maxForm))
	if err != nil {
		return nil, &fault{status: http.StatusRequestEntityTooLarge, code: invalidRequest, text: "The form cannot be read, or is too long", cause: err}
	}
	return parameters(string(data))
}
