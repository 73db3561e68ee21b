package metadata

import (
	"errors"
	"fmt"
	"html"
	"net/http"

	"midas/internal/api/httpx"
)

// errGoogleForbidden gives a refusal of admit the status that Google's server has for it.
func errGoogleForbidden(err error) error {
	var f *fault
	if errors.As(err, &f) {
		f.status = http.StatusForbidden
	}
	return err
}

func errGoogleHeader() *fault {
	return &fault{status: http.StatusForbidden, code: "forbidden", text: "Your client does not have permission to get this URL from this server. Missing Metadata-Flavor:Google header."}
}

func errGoogleAudience() *fault {
	return &fault{status: http.StatusForbidden, code: "no_audience", text: "Access tokens need an audience, which the operator of the agent sets."}
}

func errGoogleAccess() *fault {
	return &fault{
		status: http.StatusForbidden, code: "access_audience",
		text: "An identity token for this audience would be an access token. The operator of the agent can permit access tokens for one audience.",
	}
}

// writeError implements errorWriter: Google answers with a page.
func (google) writeError(req *request, f *fault) {
	status, text := f.status, f.text
	switch f.kind {
	case kindIdentity:
		status, text = http.StatusNotFound, "The service account was not found."
	case kindSeveral:
		status, text = http.StatusNotFound, "There are several service accounts. Select one by its email, which instance/service-accounts/ lists."
	case kindNotFound:
		text = "The requested URL was not found on this server."
	}
	req.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	httpx.WriteBody(req.w, status, googlePage(status, text))
}

// errorBody implements protocol. It is not called, because google is an errorWriter.
func (google) errorBody(*request, *fault) any { return nil }

// googlePage is the page of an error.
func googlePage(status int, text string) []byte {
	return fmt.Appendf(nil, `<!DOCTYPE html>
<html lang=en>
<meta charset=utf-8>
<title>Error %[1]d (%[2]s)!!1</title>
<p><b>%[1]d.</b> <ins>That’s an error.</ins>
<p>%[3]s
`, status, http.StatusText(status), html.EscapeString(text))
}
