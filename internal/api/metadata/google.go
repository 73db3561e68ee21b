package metadata

import (
	"net/http"
	"slices"
	"strings"

	"midas/internal/api/httpx"
	"midas/internal/arm"
)

// The headers of every answer of Google's metadata server. Clients detect the server by the first one.
var (
	googleFlavour = httpx.Fixed("Metadata-Flavor", "Google", "Server", "Metadata Server for VM", "X-Frame-Options", "SAMEORIGIN")
	googleJSON    = httpx.Fixed("Content-Type", "application/json") // google-auth for Python knows no parameters
	googleText    = httpx.Fixed("Content-Type", "application/text")
)

const googleRoot = "/computeMetadata/v1/"

// google is the protocol of the metadata server of Google Compute Engine, as far as Google's libraries for
// authentication use it: a tree of names, whose service accounts are the resource's identities.
type google struct{ audience string }

// NewGoogle serves the protocol of Google's metadata server, which on Google is at
// http://metadata.google.internal. Access tokens are for the given audience, because a request for one names no
// audience; if it is empty, they are refused. A request for an identity token names its audience.
func NewGoogle(c Config, audience string) *Endpoint {
	c.Hosts = append(slices.Clone(c.Hosts), "metadata.google.internal", "metadata.goog", "metadata")
	return newEndpoint(c, google{audience})
}

func (p google) serve(req *request) error {
	googleFlavour.Set(req.w.Header())
	if err := req.method(http.MethodGet); err != nil {
		return err
	}
	if err := req.admit(); err != nil {
		return errGoogleForbidden(err)
	}
	path := req.r.URL.Path
	switch path {
	case "/": // clients send this request without the header to find out which server answers
		req.ev.Operation = "google/probe"
		return req.googleText("computeMetadata/\n")
	case strings.TrimSuffix(googleRoot, "/"):
		return req.redirectToFolder()
	}
	rest, found := strings.CutPrefix(path, googleRoot)
	if !found {
		return errNotFound()
	}
	if values := req.r.Header["Metadata-Flavor"]; len(values) != 1 || !arm.SameName(strings.TrimSpace(values[0]), "Google") {
		return errGoogleHeader()
	}
	q, err := req.query()
	if err != nil {
		return err
	}
	if wait := q.get("wait_for_change"); wait != "" && !arm.SameName(wait, "false") {
		return badRequest("wait_for_change is not supported")
	}
	account, leaf, found := accountLeaf(rest)
	if found {
		return p.token(req, q, account, leaf)
	}
	req.ev.Operation = "google/tree"
	return p.browse(req, q, rest, account)
}

// accountLeaf splits a path below a service account. It reports whether the path is that of a token.
func accountLeaf(path string) (account, leaf string, found bool) {
	rest, found := strings.CutPrefix(path, "instance/service-accounts/")
	if !found {
		return "", "", false
	}
	account, leaf, _ = strings.Cut(rest, "/")
	return account, leaf, leaf == leafToken || leaf == leafIdentity
}

// browse answers with a part of the tree: a value, or the names in a folder, or with recursive=true the folder
// as JSON.
func (p google) browse(req *request, q query, path, account string) error {
	tree, err := p.tree(req, account)
	if err != nil {
		return err
	}
	at, folder := descend(tree, path)
	if at == nil {
		return errNotFound()
	}
	members, isFolder := at.(map[string]any)
	if folder && !isFolder {
		return errNotFound()
	}
	recursive, alt := arm.SameName(q.get("recursive"), "true"), q.get("alt")
	switch {
	case recursive && arm.SameName(alt, "text"):
		return req.googleText(flatText(withoutTokens(at)))
	case recursive, arm.SameName(alt, "json"):
		googleJSON.Set(req.w.Header())
		return httpx.WriteJSON(req.w, http.StatusOK, withoutTokens(at))
	}
	switch value := at.(type) {
	case string:
		return req.googleText(value)
	case []string:
		return req.googleText(strings.Join(value, "\n") + "\n")
	}
	if !folder {
		return req.redirectToFolder()
	}
	return req.googleText(folderListing(members))
}

// descend returns the part of the tree at a path, or nil, and whether the path names it as a folder.
func descend(tree any, path string) (at any, folder bool) {
	if path == "" {
		return tree, true
	}
	path, folder = strings.CutSuffix(path, "/")
	at = tree
	for step := range strings.SplitSeq(path, "/") {
		members, _ := at.(map[string]any)
		at = members[step]
	}
	return at, folder
}

// redirectToFolder leads to the path with a slash at its end, as Google does for folders. The location names no
// host.
func (req *request) redirectToFolder() error {
	to := req.r.URL.EscapedPath() + "/"
	if req.r.URL.RawQuery != "" {
		to += "?" + req.r.URL.RawQuery
	}
	req.w.Header().Set("Location", to)
	req.w.WriteHeader(http.StatusMovedPermanently)
	return nil
}

// folderListing has a line for each member, with a slash at the end of folders.
func folderListing(members map[string]any) string {
	var lines []string
	for name, value := range members {
		if _, isFolder := value.(map[string]any); isFolder {
			name += "/"
		}
		lines = append(lines, name+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (req *request) googleText(text string) error {
	googleText.Set(req.w.Header())
	httpx.WriteBody(req.w, http.StatusOK, []byte(text))
	return nil
}
