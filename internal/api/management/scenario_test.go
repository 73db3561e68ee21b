package management_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestScenarios runs testdata/scenarios/*.txt, each against a control plane of its own.
//
// A scenario is a sequence of exchanges, separated by blank lines. Lines that begin with ">" are
// the request: its first line, then headers, then the body. Lines that begin with "<" are what must
// come back: the status, headers that must have just this value, and the body, which is compared as
// JSON. The header "As" names the caller; without it there is no token. "#" begins a comment.
//
//	> PUT {sub}/resourceGroups/rg?api-version=2021-04-01
//	> As: owner
//	> {"location":"eastus"}
//	< 201
//	< {"id":"{sub}/resourceGroups/rg", …}
//
// {sub} is the subscription's id. In what must come back, <guid:x>, <time:x> and <text:x> stand for
// a GUID, a moment and any text; the first use binds the name, and {x} repeats it from then on.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			must(t, err)
			run := &scenario{stack: newStack(t), names: map[string]string{"sub": "/subscriptions/" + sub, "tenant": tenant, "origin": origin, "othersub": otherSub}}
			for name, sp := range run.stack.callers {
				run.names[name+".oid"], run.names[name+".appid"] = sp.ID, sp.AppID
			}
			for _, e := range parseScenario(t, string(text)) {
				run.exchange(t, fmt.Sprintf("%s:%d", file, e.line), e)
			}
		})
	}
}

type exchange struct {
	line          int
	request, want []string // without their marks
}

func parseScenario(t *testing.T, text string) []exchange {
	t.Helper()
	var all []exchange
	open := false
	for i, line := range strings.Split(text, "\n") {
		mark, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.TrimSpace(line) == "":
			open = false
		case mark == "#":
		case mark == ">" && (!open || len(all[len(all)-1].want) > 0):
			all, open = append(all, exchange{line: i + 1, request: []string{rest}}), true
		case mark == ">" && open:
			all[len(all)-1].request = append(all[len(all)-1].request, rest)
		case mark == "<" && open:
			all[len(all)-1].want = append(all[len(all)-1].want, rest)
		default:
			t.Fatalf("line %d: %q", i+1, line)
		}
	}
	return all
}

type scenario struct {
	stack *stack
	names map[string]string
}

func (s *scenario) exchange(t *testing.T, at string, e exchange) {
	t.Helper()
	w := s.send(t, at, e.request)
	wantStatus, _ := strconv.Atoi(strings.Fields(e.want[0])[0])
	if w.Code != wantStatus {
		t.Fatalf("%s: %s\n got %d %s\nwant %s", at, e.request[0], w.Code, w.Body, e.want[0])
	}
	headers, body := splitHead(e.want[1:])
	for _, h := range headers {
		got := strings.Join(w.Header()[http.CanonicalHeaderKey(h[0])], ", ")
		if err := s.match(h[1], got); err != nil {
			t.Errorf("%s: header %s: %v", at, h[0], err)
		}
	}
	switch got := bytes.TrimSpace(w.Body.Bytes()); {
	case body == "" && len(got) > 0:
		t.Errorf("%s: there should be no body: %s", at, got)
	case body != "":
		s.matchBody(t, at, body, got)
	}
}

func (s *scenario) send(t *testing.T, at string, lines []string) *httptest.ResponseRecorder {
	t.Helper()
	method, target, found := strings.Cut(s.fill(lines[0]), " ")
	if !found {
		t.Fatalf("%s: no request line", at)
	}
	headers, body := splitHead(lines[1:])
	r, err := http.NewRequest(method, origin+target, strings.NewReader(s.fill(body)))
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	r.RequestURI, r.RemoteAddr = target, "127.0.0.1:1"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		if h[0] == "As" {
			r.Header.Add("Authorization", "Bearer "+s.stack.token(t, h[1]))
		} else {
			r.Header.Set(h[0], s.fill(h[1]))
		}
	}
	w := httptest.NewRecorder()
	s.stack.ServeHTTP(w, r)
	return w
}

// splitHead separates headers from a body, which begins with the first line that is none.
func splitHead(lines []string) (headers [][2]string, body string) {
	header := regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*): ?(.*)$`)
	for i, line := range lines {
		m := header.FindStringSubmatch(line)
		if m == nil {
			return headers, strings.Join(lines[i:], "\n")
		}
		headers = append(headers, [2]string{m[1], m[2]})
	}
	return headers, ""
}

// fill replaces the {names} that are bound.
func (s *scenario) fill(text string) string {
	return regexp.MustCompile(`\{[a-z][a-z0-9.]*\}`).ReplaceAllStringFunc(text, func(ref string) string {
		if value, bound := s.names[ref[1:len(ref)-1]]; bound {
			return value
		}
		return ref
	})
}

var placeholder = regexp.MustCompile(`<(guid|time|text)(:[a-z0-9]+)?>`)

// match compares a text with one that may hold placeholders, and binds their names.
func (s *scenario) match(want, got string) error {
	want = s.fill(want)
	pattern, names, rest := "^", []string{}, want
	for _, at := range placeholder.FindAllStringSubmatchIndex(want, -1) {
		kind, name := want[at[2]:at[3]], ""
		if at[4] >= 0 {
			name = want[at[4]+1 : at[5]]
		}
		offset := len(want) - len(rest)
		pattern += regexp.QuoteMeta(want[offset:at[0]]) + map[string]string{
			"guid": `([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})`,
			"time": `(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z)`, "text": `(.*)`,
		}[kind]
		names, rest = append(names, name), want[at[1]:]
	}
	m := regexp.MustCompile(pattern + regexp.QuoteMeta(rest) + "$").FindStringSubmatch(got)
	if m == nil {
		return fmt.Errorf("\n got %q\nwant %q", got, want)
	}
	for i, name := range names {
		if name != "" {
			s.names[name] = m[i+1]
		}
	}
	return nil
}

// matchBody compares JSON, so that the order of fields does not matter; texts may hold
// placeholders.
func (s *scenario) matchBody(t *testing.T, at, want string, got []byte) {
	t.Helper()
	var wanted, given any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatalf("%s: the wanted body: %v", at, err)
	}
	if err := json.Unmarshal(got, &given); err != nil {
		t.Fatalf("%s: the body %q: %v", at, got, err)
	}
	withoutExplain(wanted, given)
	s.resolve(wanted, given) // binds names, which may be used before the place where they are bound
	if diff := cmp.Diff(s.resolve(wanted, given), given); diff != "" {
		t.Errorf("%s: body (-want +got)\n%s", at, diff)
	}
}

// withoutExplain removes the additionalInfo of a refusal, unless it is wanted: Azure has none.
// TestRefusalsTellHowToAskWhy checks it.
func withoutExplain(wanted, given any) {
	want, _ := wanted.(map[string]any)
	got, _ := given.(map[string]any)
	wantError, _ := want["error"].(map[string]any)
	gotError, _ := got["error"].(map[string]any)
	if wantError != nil && wantError["additionalInfo"] == nil && gotError["code"] == "AuthorizationFailed" {
		delete(gotError, "additionalInfo")
	}
}

// resolve replaces the wanted texts by the given ones where those match.
func (s *scenario) resolve(want, got any) any {
	switch want := want.(type) {
	case string:
		if given, isText := got.(string); isText && s.match(want, given) == nil {
			return given
		}
		return s.fill(want)
	case map[string]any:
		given, _ := got.(map[string]any)
		out := make(map[string]any, len(want))
		for name, value := range want {
			out[s.fill(name)] = s.resolve(value, given[s.fill(name)])
		}
		return out
	case []any:
		given, _ := got.([]any)
		out := make([]any, len(want))
		for i, value := range want {
			var g any
			if i < len(given) {
				g = given[i]
			}
			out[i] = s.resolve(value, g)
		}
		return out
	}
	return want
}
