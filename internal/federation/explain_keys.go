package federation

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"midas/internal/token"
)

// issuerFindings says why the signature of an assertion was not verified. Why an issuer cannot be reached may name
// addresses and files of the server, so it is for operators.
func (q Question) issuerFindings(a *token.Assertion) []Finding {
	var e *IssuerError
	if !errors.As(q.Refused, &e) {
		return nil
	}
	seen := q.Inspect(a.Issuer)
	switch e.Reason {
	case Unreachable, Document:
		text := fmt.Sprintf("The keys of the issuer %s could not be read (%s).", shown(a.Issuer), e.Reason)
		if !q.Operator {
			return []Finding{found(Reach, "%s The administrator of the server sees the cause in the server's log and in this explanation.", text)}
		}
		return []Finding{found(Reach, "%s%s%s %s", text, because(e), lastTried(seen, q.Now), configure(a.Issuer, seen))}
	case UnknownKey:
		return []Finding{found(Key, "The key of the token has the id %s (kid in its header), and the issuer %s has no key with this id that can be used. %s", shown(a.Kid), shown(a.Issuer), keysOf(a.Kid, seen, q.Now))}
	case Signature:
		return []Finding{found(Key, "The key %s of the issuer %s has not signed this token. The token was changed, or another issuer has a key with this id. %s", shown(a.Kid), shown(a.Issuer), keysOf(a.Kid, seen, q.Now))}
	}
	return nil // the header, which has findings of its own
}

// because is the cause of an issuer's error.
func because(e *IssuerError) string {
	if e.Detail == nil {
		return ""
	}
	return " The cause is: " + strings.TrimSuffix(clip(e.Detail.Error()), ".") + "."
}

func lastTried(seen Inspection, now time.Time) string {
	if seen.Tried.IsZero() {
		return ""
	}
	return fmt.Sprintf(" The server asked for them last at %s, %s ago.", stamp(seen.Tried), distance(now.Sub(seen.Tried)))
}

// configure says which row of the configuration may help.
func configure(issuer string, seen Inspection) string {
	switch {
	case seen.File != "":
		return "Its keys are in the file that the configuration names: check it."
	case !seen.Listed:
		return fmt.Sprintf("If the issuer is in a private network, has a certificate of a private authority, or cannot be reached at all, list it in the server's configuration: issuers: [{issuer: %s, private: true, ca: FILE}], or with jwks: FILE.", yamlQuoted(issuer))
	case !seen.Private:
		return "The configuration lists the issuer without private: true, so private and loopback addresses are refused."
	}
	return "The configuration lists the issuer; check its address, and its certificate authority (ca), or give its keys as a file (jwks)."
}

func yamlQuoted(s string) string { return "'" + strings.ReplaceAll(clip(s), "'", "''") + "'" }

// maxKids is how many key ids an explanation has.
const maxKids = 10

// keysOf says which keys of an issuer are known, since when, and when they may be fetched again.
func keysOf(kid string, seen Inspection, now time.Time) string {
	if !seen.Known {
		return "No keys of it are known."
	}
	names := make([]string, 0, maxKids)
	for _, k := range seen.Kids[:min(len(seen.Kids), maxKids)] {
		names = append(names, shown(k))
	}
	verb := "are"
	if len(seen.Kids) == 1 {
		verb = "is"
	}
	text := fmt.Sprintf("Known %s %s: %s", verb, plural(len(seen.Kids), "key"), strings.Join(names, ", "))
	if len(seen.Kids) > maxKids {
		text += " and more"
	}
	if seen.File != "" {
		text += ", from the file of the configuration."
	} else if !seen.Fetched.IsZero() {
		text += fmt.Sprintf(", fetched at %s, %s ago. They are fetched again at %s, and for an unknown key id from %s on.", stamp(seen.Fetched), distance(now.Sub(seen.Fetched)),
			stamp(seen.Fetched.Add(seen.Fresh)), stamp(latest(seen.Tried, seen.Fetched).Add(pauseAfterFetch)))
	} else {
		text += "."
	}
	for _, s := range seen.Skipped {
		if s.Kid == kid {
			text += fmt.Sprintf(" The key %s is there and cannot be used: %s.", shown(kid), s.Reason)
			break
		}
	}
	return text
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
