package federation

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"midas/internal/token"
)

// Holder is the application or the managed identity whose credentials are explained.
type Holder struct {
	AppID string // of an application

	Subscription, Group, Identity string // of a user-assigned identity
}

// defaultAudience is the audience that credentials have unless their maker wants another one.
const defaultAudience = "api://AzureADTokenExchange"

// maxCredentials is the number of credentials that one holder can have.
const maxCredentials = 20

// Advice returns the commands of Azure CLI that make the token match a credential, or none if no credential would help
// or if the token has values that should not be trusted as they are. The commands are for people who trust the issuer
// and the subject: as long as no credential matches, nobody has verified that the issuer has made the token.
func (x *Explanation) Advice(h Holder, all []Credential) []string {
	a := x.Assertion
	if a == nil || h == (Holder{}) || a.Subject == "" || !strings.HasPrefix(a.Issuer, "https://") || !slices.ContainsFunc(x.Findings, fixable) || slices.ContainsFunc(x.Findings, final) {
		return nil
	}
	wanted := Credential{Issuer: a.Issuer, Subject: a.Subject, Audiences: []string{wantedAudience(x.Nearest, a)}}
	verb := "create"
	if c := x.Nearest; c != nil && c.Expression == "" && x.mistaken() {
		verb, wanted.Name = "update", c.Name
	}
	if verb == "create" {
		if len(all) >= maxCredentials {
			return nil
		}
		wanted.Name = freeName(all)
	}
	if _, m := Match(append(without(all, wanted.Name), wanted), a); !plain(wanted) || m != nil && m.Field != Audience {
		return nil
	}
	return []string{h.command(verb, wanted)}
}

// fixable reports whether a credential can be made or changed so that the finding ends.
func fixable(f Finding) bool {
	return f.Field == Issuer || f.Field == Subject || f.Field == Audience && f.Difference.alike() && f.Difference != Several || f.Field == ClientID
}

// final reports whether a token with the finding is refused whatever the credentials are.
func final(f Finding) bool { return f.Field == OwnToken }

// mistaken reports whether the nearest credential was probably meant for the token: no part of it is another value.
func (x *Explanation) mistaken() bool {
	return !slices.ContainsFunc(x.Findings, func(f Finding) bool {
		return f.Credential != "" && slices.Contains([]Difference{Other, Missing, Parts, Platform, Host, Path, ContextKind, Expression, Wildcard, OtherClaim}, f.Difference) && f.Field != Audience
	})
}

// wantedAudience is the audience of the advised credential. A token whose audience is for another party is not a
// reason to trust tokens for that party, so the credential keeps its audience.
func wantedAudience(c *Credential, a *token.Assertion) string {
	one := presented(a)
	if c == nil {
		return defaultAudience
	}
	if f, wrong := audienceFinding(c, a); !wrong || f.Difference.alike() && f.Difference != Several || one == defaultAudience {
		return one
	}
	if len(c.Audiences) == 1 {
		return c.Audiences[0]
	}
	return defaultAudience
}

// plain reports whether all values have only visible characters of ASCII. Others are not put into commands, because
// they may look like something else.
func plain(c Credential) bool {
	values := strings.Join([]string{c.Name, c.Issuer, c.Subject, c.Audiences[0]}, "")
	return len(values) <= 4*600 && !strings.ContainsFunc(values, func(r rune) bool { return r < ' ' || r > '~' })
}

func without(all []Credential, name string) []Credential {
	return slices.DeleteFunc(slices.Clone(all), func(c Credential) bool { return c.Name == name })
}

// freeName returns a name that no credential has.
func freeName(all []Credential) string {
	for n := 1; ; n++ {
		name := "workload-" + strconv.Itoa(n)
		if !slices.ContainsFunc(all, func(c Credential) bool { return c.Name == name }) {
			return name
		}
	}
}

// command writes a command for a POSIX shell.
func (h Holder) command(verb string, c Credential) string {
	words := []string{"az", "identity", "federated-credential", verb, "--subscription", h.Subscription, "--resource-group", h.Group,
		"--identity-name", h.Identity, "--name", c.Name, "--issuer", c.Issuer, "--subject", c.Subject, "--audiences", c.Audiences[0]}
	if h.Identity == "" {
		body, _ := json.Marshal(map[string]any{"name": c.Name, "issuer": c.Issuer, "subject": c.Subject, "audiences": c.Audiences})
		words = []string{"az", "ad", "app", "federated-credential", verb, "--id", h.AppID, "--parameters", string(body)}
		if verb == "update" {
			words = append(words, "--federated-credential-id", c.Name)
		}
	}
	for i, word := range words {
		words[i] = shellQuoted(word)
	}
	return strings.Join(words, " ")
}

// shellQuoted quotes a word for a POSIX shell, if it needs quotes.
func shellQuoted(word string) string {
	special := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-./:@", r))
	}
	if word != "" && !strings.ContainsFunc(word, special) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
