package management_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"midas/internal/oracle"
)

// The subscription and the tenant of the recordings of Azure CLI.
const (
	recordedSub    = "00000000-0000-0000-0000-000000000000"
	recordedTenant = "54826b22-38d6-4fb2-bad9-b7b93a3e9c5a"
)

// recordedExchange is a recorded request with the answer of the real Azure.
type recordedExchange struct {
	Method, URI, Body string
	Code              int
	Headers           map[string][]string // their names are in lower case
	Answer            string
}

// recordings returns the folder of the recordings. Without it the test is skipped.
func recordings(t *testing.T) string {
	t.Helper()
	dir, present := oracle.Folder()
	if !present {
		t.Skip("../shared/azure is not there")
	}
	return filepath.Join(dir, "recordings")
}

// armHost matches the names of Azure Resource Manager, of which some have a region in front.
var armHost = regexp.MustCompile(`^https://(?:[a-z0-9]+\.)?management\.azure\.com(?::443)?/`)

// cassettes reads the exchanges with Azure Resource Manager of all recordings of Azure CLI, by file.
func cassettes(t *testing.T) map[string][]recordedExchange {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(recordings(t), "azure-cli", "*.yaml"))
	must(t, err)
	all := map[string][]recordedExchange{}
	for _, file := range files {
		if found := cassette(t, file); len(found) > 0 {
			all[filepath.Base(file)] = found
		}
	}
	return all
}

func cassette(t *testing.T, file string) (all []recordedExchange) {
	t.Helper()
	raw, err := os.ReadFile(file)
	must(t, err)
	var in struct {
		Interactions []struct {
			Request  struct{ Method, URI, Body string }
			Response struct {
				Status  struct{ Code int }
				Headers map[string][]string
				Body    struct{ String string }
			}
		}
	}
	must(t, yaml.Unmarshal(raw, &in))
	for _, i := range in.Interactions {
		if armHost.MatchString(i.Request.URI) {
			all = append(all, recordedExchange{
				Method: i.Request.Method, URI: i.Request.URI, Body: i.Request.Body,
				Code: i.Response.Status.Code, Headers: i.Response.Headers, Answer: i.Response.Body.String,
			})
		}
	}
	return all
}

// refusals reads the refusals of Azure Resource Manager.
func refusals(t *testing.T) (all []recordedExchange) {
	t.Helper()
	file, err := os.Open(filepath.Join(recordings(t), "errors.jsonl"))
	must(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e struct {
			Method, URI, Body, Resp string
			Code                    int
			Headers                 map[string][]string
		}
		must(t, json.Unmarshal(lines.Bytes(), &e))
		if armHost.MatchString(e.URI) {
			all = append(all, recordedExchange{Method: e.Method, URI: e.URI, Body: completed(e.Body), Code: e.Code, Headers: e.Headers, Answer: e.Resp})
		}
	}
	must(t, lines.Err())
	return all
}

// target returns the escaped path and the query of the request.
func (e recordedExchange) target() string { return "/" + armHost.ReplaceAllString(e.URI, "") }

// refusal returns the code and the message of the answer, which are empty if it is not an error of ARM's form.
func (e recordedExchange) refusal() (code, message string) {
	var body struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal([]byte(e.Answer), &body) != nil {
		return "", ""
	}
	return body.Error.Code, body.Error.Message
}

// fromGateway reports whether ARM itself, and not a resource provider, has refused the request.
func (e recordedExchange) fromGateway() bool {
	return strings.Join(e.Headers["x-ms-failure-cause"], "") == "gateway"
}

// completed closes a JSON text that was cut, after its last complete member.
func completed(text string) string {
	for cut := len(text); cut > 0 && text[0] == '{'; cut = strings.LastIndex(text[:cut], ",") {
		closing, inString := "", false
		for i := 0; i < cut; i++ {
			switch c := text[i]; {
			case inString && c == '\\':
				i++
			case c == '"':
				inString = !inString
			case inString:
			case c == '{':
				closing = "}" + closing
			case c == '[':
				closing = "]" + closing
			case c == '}' || c == ']':
				closing = closing[1:]
			}
		}
		if json.Valid([]byte(text[:cut] + closing)) {
			return text[:cut] + closing
		}
	}
	return text
}
