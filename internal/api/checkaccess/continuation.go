package checkaccess

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"

	"midas/internal/azure"
	"midas/internal/decision"
)

// skipToken is the query parameter of a nextLink.
const skipToken = "$skipToken"

// maxLink bounds the skip token of a nextLink, in bytes, so that the link is not longer than the server accepts.
const maxLink = 7 << 10

// continuation reads the question of a request and writes its page of decisions.
type continuation struct {
	handler *Handler
	request *http.Request
	list    string // the caller, to which a skip token is bound
}

// question returns the question of a request: that of its skip token, or that of its body.
func (c *continuation) question(query url.Values) (*decision.Question, error) {
	token := query.Get(skipToken)
	if token == "" && c.request.Method != http.MethodPost {
		return nil, errorf(http.StatusBadRequest, "BadRequest", "A GET needs the query of a nextLink. Questions are asked by POST.")
	}
	if token == "" {
		return readQuestion(c.request)
	}
	rest, err := c.handler.Pages.Open(c.list, token)
	if err != nil {
		return nil, errorf(http.StatusBadRequest, "BadRequest", "The %s is not one of a nextLink that this caller has got.", skipToken)
	}
	return decision.ParseRest([]byte(rest))
}

func readQuestion(r *http.Request) (*decision.Question, error) {
	if given := r.Header.Get("Content-Type"); given != "" {
		if mediaType, _, err := mime.ParseMediaType(given); err != nil || mediaType != "application/json" && mediaType != "text/json" {
			return nil, errorf(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The content type must be application/json.")
		}
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, decision.MaxBody+1))
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) || len(text) > decision.MaxBody {
		return nil, errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request body is larger than %d bytes.", decision.MaxBody)
	}
	if err != nil {
		return nil, errorf(http.StatusBadRequest, "BadRequest", "The request body could not be read.")
	}
	q, err := decision.Parse(text)
	if err == nil && !q.Named {
		return nil, errorf(http.StatusBadRequest, "BadRequest", "Resource.Id is missing.")
	}
	return q, err
}

// encode returns the body of the answer. If the remaining question does not fit into a link, the answer has all
// decisions.
func (c *continuation) encode(q *decision.Question, all []decision.Decision) ([]byte, error) {
	first, rest := decision.Page(all)
	link := ""
	if len(rest) > 0 {
		left, err := q.Rest(rest)
		if err != nil {
			return nil, err
		}
		if token := c.handler.Pages.Seal(c.list, string(left)); len(token) <= maxLink {
			link = c.link(token)
		} else {
			first = all
		}
	}
	body := make([]byte, 0, 64+400*len(first)+len(link))
	body = decision.Append(append(body, `{"value":`...), first)
	if link == "" {
		return append(body, `,"nextLink":null}`...), nil
	}
	body = append(append(body, `,"nextLink":"`...), link...) // a URL has no characters that JSON escapes
	return append(body, `"}`...), nil
}

// link returns the nextLink for a skip token, at the host that the client has reached.
func (c *continuation) link(token string) string {
	query := url.Values{"api-version": {string(version)}, skipToken: {token}}
	return azure.OriginsFor(c.request.Host, c.handler.Origin).Authorization + Path + "?" + query.Encode()
}
