package lab

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/arm"
)

// Bounds of a rule.
const (
	longestPause = time.Minute // shorter than the server's own limit for an answer
	longestRetry = 24 * time.Hour
	maxBody      = 64 << 10 // bytes
	maxText      = 2 << 10  // bytes of a name, a code, a message or a pattern
)

// rule is a fault as the API shows it: which requests it changes, and how.
type rule struct {
	Name   string   `json:"name"` // chosen by the server if the request has none
	Preset string   `json:"preset,omitempty"`
	Match  match    `json:"match,omitzero"`
	Share  *float64 `json:"share,omitempty"` // of the matching requests, from 0 to 1; absent: all
	Seed   uint64   `json:"seed,omitempty"`  // of the choice by Share
	Count  int      `json:"count,omitempty"` // how many requests it changes; 0: no limit

	Delay      duration `json:"delay,omitempty"` // before anything else is done
	Status     int      `json:"status,omitempty"`
	Code       string   `json:"code,omitempty"`
	Message    string   `json:"message,omitempty"`
	RetryAfter duration `json:"retryAfter,omitempty"`
	Reset      bool     `json:"reset,omitempty"`    // the connection is reset
	SlowBody   duration `json:"slowBody,omitempty"` // for how long the body of the answer is sent
	Body       *string  `json:"body,omitempty"`     // instead of the body of the answer

	Hits int `json:"hits"` // how many requests it has changed

	random *rand.Rand
}

// duration is a time.Duration that is written like "1m30s" in JSON.
type duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 {
		return arm.Errorf(http.StatusBadRequest, "InvalidParameter", "'%s' is not a duration such as '90s' or '1h30m'.", strings.ToValidUTF8(string(text), "?"))
	}
	*d = duration(parsed)
	return nil
}

// check checks a rule that a request has sent, and completes it.
func (r *rule) check() error {
	r.Hits = 0
	if err := r.complete(); err != nil {
		return err
	}
	if r.Match.API != "" && apis()[r.Match.API] == "" {
		return invalid("match.api", "must be arm, graph, login, metadata, hosts or checkaccess")
	}
	for name, text := range map[string]string{
		"name": r.Name, "code": r.Code, "message": r.Message, "match.operation": r.Match.Operation, "match.method": r.Match.Method,
		"match.path": r.Match.Path, "match.client": r.Match.Client, "match.host": r.Match.Host,
	} {
		if len(text) > maxText || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' }) {
			return invalid(name, "must have at most %d bytes, without control characters", maxText)
		}
	}
	switch {
	case strings.ContainsAny(r.Name, "/?#%"), r.Name == ".", r.Name == "..": // names are segments of paths
		return invalid("name", "must not contain / ? # or %%, and must not be . or ..")
	case r.Share != nil && !(*r.Share >= 0 && *r.Share <= 1):
		return invalid("share", "must be from 0 to 1")
	case r.Count < 0:
		return invalid("count", "must not be negative")
	case time.Duration(r.Delay) > longestPause, time.Duration(r.SlowBody) > longestPause-time.Duration(r.Delay):
		return invalid("delay", "and slowBody must be at most %s together", longestPause)
	case time.Duration(r.RetryAfter) > longestRetry:
		return invalid("retryAfter", "must be at most %s", longestRetry)
	case r.Body != nil && len(*r.Body) > maxBody:
		return invalid("body", "must have at most %d bytes", maxBody)
	}
	return r.checkAnswer()
}

// checkAnswer checks what a rule answers.
func (r *rule) checkAnswer() error {
	number, isNumber := strings.CutPrefix(r.Code, "AADSTS")
	_, err := strconv.ParseUint(number, 10, 31)
	switch {
	case r.Status != 0 && (r.Status < 400 || r.Status > 599):
		return invalid("status", "must be from 400 to 599")
	case r.Status == 0 && !r.Reset && r.Delay == 0 && r.SlowBody == 0 && r.Body == nil:
		return invalid("status", "is missing: a fault needs a status, reset, delay, slowBody, body or preset")
	case r.Status == 0 && (r.Code != "" || r.Message != "" || r.RetryAfter != 0):
		return invalid("status", "is missing: code, message and retryAfter are those of an error")
	case r.Reset && (r.Status != 0 || r.Body != nil || r.SlowBody != 0):
		return invalid("reset", "leaves no answer, so there can be neither status, body nor slowBody")
	case isNumber && err != nil:
		return invalid("code", "must be a number after AADSTS")
	}
	return nil
}

func invalid(target, format string, args ...any) error {
	err := arm.Errorf(http.StatusBadRequest, "InvalidParameter", target+" "+format+".", args...)
	err.Target = target
	return err
}

// complete fills what a preset has and the request has not.
func (r *rule) complete() error {
	if r.Preset != "" {
		preset, known := presets()[r.Preset]
		if !known {
			return invalid("preset", "must be one of %s", strings.Join(presetNames(), ", "))
		}
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		given := *r
		*r = preset
		if err := json.Unmarshal(text, r); err != nil { // members that are empty in the request are not in the text
			return err
		}
		r.Match = preset.Match.or(given.Match)
	}
	r.random = rand.New(rand.NewPCG(r.Seed, 0)) //nolint:gosec // the choice must be repeatable
	return nil
}

// or returns the match with the members of other that are set.
func (m match) or(other match) match {
	for _, member := range []struct{ to, from *string }{
		{&m.API, &other.API}, {&m.Operation, &other.Operation}, {&m.Method, &other.Method}, {&m.Path, &other.Path},
		{&m.Client, &other.Client}, {&m.Host, &other.Host},
	} {
		if *member.from != "" {
			*member.to = *member.from
		}
	}
	return m
}

// chooses reports whether a rule changes a request that it selects, and counts it.
func (r *rule) chooses() bool {
	if r.Count > 0 && r.Hits >= r.Count {
		return false
	}
	if r.Share != nil && r.random.Float64() >= *r.Share {
		return false
	}
	r.Hits++
	return true
}

// fault is the error that a rule answers in an API; nil if it answers none.
func (r *rule) fault(ev *httpx.Event) error {
	if r.Status == 0 {
		return nil
	}
	code, message := defaults(ev.API, r.Status)
	if r.Code != "" {
		code = r.Code
	}
	if r.Message != "" {
		message = r.Message
	}
	return &httpx.Fault{Status: r.Status, Code: code, Message: message, RetryAfter: time.Duration(r.RetryAfter)}
}
