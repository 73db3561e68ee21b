package federation_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"midas/internal/federation"
)

const (
	hub      = "https://token.actions.githubusercontent.com"
	cluster  = "https://oidc.example/cluster/"
	exchange = "api://AzureADTokenExchange"
)

// unsigned makes a token whose signature nobody can verify. A header member "alg" other than RS256 is kept.
func unsigned(t *testing.T, header, claims map[string]any) string {
	t.Helper()
	if header == nil {
		header = map[string]any{"alg": "RS256", "typ": "JWT", "kid": "k1"}
	}
	part := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	return part(header) + "." + part(claims) + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 256))
}

func claims(iss, sub string, aud any) map[string]any {
	now := time.Now()
	return map[string]any{"iss": iss, "sub": sub, "aud": aud, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix()}
}

func credential(issuer, subject string) federation.Credential {
	return federation.Credential{Name: "cred", Issuer: issuer, Subject: subject, Audiences: []string{exchange}}
}

var errRefused = errors.New("refused")

func explained(t *testing.T, raw string, all ...federation.Credential) federation.Explanation {
	t.Helper()
	return federation.Explain(federation.Question{Raw: raw, Now: time.Now(), Attempt: federation.Attempt{Refused: errRefused, Credentials: all}})
}

func texts(x federation.Explanation) string {
	var all []string
	for _, f := range x.Findings {
		all = append(all, f.Text)
	}
	return strings.Join(all, "\n")
}

func TestExplainSaysHowIssuersDiffer(t *testing.T) {
	const v2 = "https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0"
	for name, tt := range map[string]struct {
		presented, configured string
		want                  federation.Difference
		words                 string
	}{
		"a slash in the token":        {hub + "/", hub, federation.TrailingSlash, "The issuer of the token has a slash at its end"},
		"a slash in the credential":   {"https://a.example/x", "https://a.example/x/", federation.TrailingSlash, "The issuer of the credential has a slash at its end"},
		"http":                        {"http://a.example", "https://a.example", federation.Scheme, "http://"},
		"the case of the host":        {"https://A.example/x", "https://a.example/x", federation.HostCase, "host names differ only in case"},
		"the case of the path":        {"https://a.example/X", "https://a.example/x", federation.Case, "only in case"},
		"a port":                      {"https://a.example:443", "https://a.example", federation.Port, "port"},
		"another path":                {"https://a.example/one", "https://a.example/two", federation.Path, "path differs"},
		"another host":                {"https://a.example/one", "https://b.example/one", federation.Host, "hosts differ"},
		"the discovery document":      {"https://a.example/one", "https://a.example/one/.well-known/openid-configuration", federation.Discovery, "discovery document"},
		"Entra's v1 issuer":           {"https://sts.windows.net/11111111-1111-1111-1111-111111111111/", v2, federation.EntraVersion, "version 1.0"},
		"no https":                    {"accounts.google.com", "https://accounts.google.com", federation.Scheme, "never accepted"},
		"a space at the end":          {hub, hub + " ", federation.Spaces, "The credential has a space"},
		"quotation marks":             {hub, `"` + hub + `"`, federation.Quotes, "quotation marks"},
		"an invisible character":      {hub, hub[:10] + "\u200b" + hub[10:], federation.Invisible, "U+200B"},
		"a Cyrillic letter":           {"https://a.example", "https://\u0430.example", federation.LookAlike, "Cyrillic"},
		"full-width characters":       {"https://a.example", "https://\uff41.example", federation.LookAlike, "U+FF41"},
		"a slash, and nothing else":   {"https://a.example/", "https://a.example", federation.TrailingSlash, "slash"},
		"something else altogether":   {"https://a.example/x", "urn:other", federation.Other, "urn:other"},
		"a percent-encoded character": {"https://a.example/a%20b", "https://a.example/a b", federation.Escaped, "percent-encoded"},
	} {
		t.Run(name, func(t *testing.T) {
			x := explained(t, unsigned(t, nil, claims(tt.presented, "s", exchange)), credential(tt.configured, "s"))
			if len(x.Findings) != 1 || x.Findings[0].Field != federation.Issuer || x.Findings[0].Difference != tt.want || !strings.Contains(x.Findings[0].Text, tt.words) {
				t.Errorf("%+v", x.Findings)
			}
		})
	}
}

func TestExplainSaysHowSubjectsDiffer(t *testing.T) {
	const old, immutable = "repo:contoso/app:ref:refs/heads/main", "repo:contoso@123/app@456:ref:refs/heads/main"
	const account = "system:serviceaccount:shop:cart"
	const gitlab = "project_path:group/app:ref_type:branch:ref:main"
	const workspace = "organization:contoso:project:web:workspace:prod:run_phase:plan"
	for name, tt := range map[string]struct {
		presented, configured string
		want                  federation.Difference
		words                 []string
	}{
		"immutable against old":          {immutable, old, federation.ImmutableSubject, []string{"The token has GitHub's immutable subject"}},
		"old against immutable":          {old, immutable, federation.ImmutableSubject, []string{"The credential has GitHub's immutable subject"}},
		"immutable, and another branch":  {immutable, "repo:contoso/app:ref:refs/heads/dev", federation.Other, []string{"immutable", `the branch "main"`, `the branch "dev"`}},
		"immutable, and another owner":   {immutable, "repo:fabrikam/app:ref:refs/heads/main", federation.Other, []string{"immutable", `The owner differs: "contoso" in the token, "fabrikam"`}},
		"other ids":                      {immutable, "repo:contoso@999/app@456:ref:refs/heads/main", federation.Other, []string{`owner's id differs: "123" in the token, "999"`}},
		"an environment":                 {"repo:contoso/app:environment:prod", old, federation.ContextKind, []string{`the environment "prod"`, `the branch "main"`}},
		"a pull request":                 {"repo:contoso/app:pull_request", old, federation.ContextKind, []string{"pull requests"}},
		"a tag":                          {"repo:contoso/app:ref:refs/tags/v1", old, federation.ContextKind, []string{"tag"}},
		"a branch's name alone":          {old, "repo:contoso/app:ref:main", federation.BranchForm, []string{"ref:refs/heads/NAME"}},
		"a branch's name without ref":    {old, "repo:contoso/app:branch:main", federation.BranchForm, []string{"ref:refs/heads/NAME"}},
		"another repository":             {"repo:contoso/web:ref:refs/heads/main", old, federation.Other, []string{`The repository differs: "web" in the token, "app"`}},
		"the prefix repo":                {old, "contoso/app:ref:refs/heads/main", federation.Parts, []string{"the prefix repo: is missing"}},
		"another namespace":              {account, "system:serviceaccount:web:cart", federation.Parts, []string{`namespace differs: "shop" in the token, "web"`}},
		"another account":                {account, "system:serviceaccount:shop:default", federation.Parts, []string{`service account differs: "cart" in the token, "default"`}},
		"the wrong way round":            {account, "system:serviceaccount:cart:shop", federation.Parts, []string{"wrong way round"}},
		"no prefix":                      {account, "shop/cart", federation.Parts, []string{"the prefix system:serviceaccount: is missing"}},
		"GitLab's branch":                {gitlab, "project_path:group/app:ref_type:branch:ref:dev", federation.Parts, []string{`ref differs: "main" in the token, "dev"`}},
		"GitLab's tag":                   {gitlab, "project_path:group/app:ref_type:tag:ref:main", federation.Parts, []string{"ref_type differs"}},
		"GitLab's project":               {gitlab, "project_path:group/sub/app:ref_type:branch:ref:main", federation.Parts, []string{"project_path differs"}},
		"the phase of a workspace":       {workspace, strings.Replace(workspace, "plan", "apply", 1), federation.Parts, []string{`run_phase differs: "plan" in the token, "apply"`}},
		"a workspace":                    {workspace, strings.Replace(workspace, "prod", "test", 1), federation.Parts, []string{"workspace differs"}},
		"a trust domain":                 {"spiffe://a.example/x", "spiffe://b.example/x", federation.Parts, []string{"trust domain differs"}},
		"a service connection":           {"sc://org/project/one", "sc://org/project/two", federation.Parts, []string{"service connection differs"}},
		"immutable, for an environment":  {immutable, "repo:contoso/app:environment:prod", federation.ContextKind, []string{"immutable subject", `the branch "main"`, `the environment "prod"`}},
		"a wildcard":                     {old, "repo:contoso/*", federation.Wildcard, []string{"claimsMatchingExpression"}},
		"a subject of other claims":      {"repository_owner_id:1:repository_id:2", old, federation.Platform, []string{"customized"}},
		"two platforms":                  {account, old, federation.Platform, []string{"Kubernetes", "GitHub"}},
		"case":                           {strings.Replace(old, "c", "C", 1), old, federation.Case, []string{"only in case"}},
		"a look-alike":                   {account, strings.Replace(account, "a", "\u0430", 1), federation.LookAlike, []string{"U+0430", "Cyrillic"}},
		"an accent in another form":      {"caf\u00e9", "cafe\u0301", federation.LookAlike, []string{"U+00E9", `cafe\u0301`}},
		"a line break":                   {account, account + "\n", federation.Spaces, []string{`"system:serviceaccount:shop:cart\n"`}},
		"a no-break space":               {"a b", "a\u00a0b", federation.Invisible, []string{"U+00A0"}},
		"something else":                 {"abcdef", "abcxyz", federation.Other, []string{"The first 3 characters are the same", `"def"`, `"xyz"`}},
		"no subject":                     {"", account, federation.Missing, []string{"The token has no subject"}},
		"a subject of hostile bytes":     {"repo:", "repo:/@:@", "", nil},
		"a label in a value of GitLab's": {"project_path:a:ref:b:ref:main", gitlab, federation.Parts, []string{"differs"}},
	} {
		t.Run(name, func(t *testing.T) {
			x := explained(t, unsigned(t, nil, claims(hub, tt.presented, exchange)), credential(hub, tt.configured))
			if len(x.Findings) != 1 || x.Findings[0].Field != federation.Subject || tt.want != "" && x.Findings[0].Difference != tt.want {
				t.Fatalf("%+v, want %s", x.Findings, tt.want)
			}
			for _, word := range tt.words {
				if !strings.Contains(x.Findings[0].Text, word) {
					t.Errorf("%s\nlacks %s", x.Findings[0].Text, word)
				}
			}
		})
	}
}

func TestExplainNamesTheClauseThatFails(t *testing.T) {
	c := credential(hub, "")
	c.Expression = "claims['sub'] matches 'repo:contoso/*' and claims['repository_owner_id'] eq '123' and claims['job_workflow_ref'] eq 'x'"
	asserted := claims(hub, "repo:Contoso/app:pull_request", exchange)
	asserted["repository_owner_id"] = "124"
	x := explained(t, unsigned(t, nil, asserted), c)
	if len(x.Findings) != 3 || x.Findings[0].Difference != federation.Case || x.Findings[1].Difference != federation.Expression || x.Findings[2].Difference != federation.Missing {
		t.Fatalf("%+v", x.Findings)
	}
	if all := texts(x); !strings.Contains(all, `"124"`) || !strings.Contains(all, `no claim "job_workflow_ref"`) {
		t.Error(all)
	}
	c.Expression = "claims[sub]"
	if all := texts(explained(t, unsigned(t, nil, asserted), c)); !strings.Contains(all, "cannot be read") {
		t.Error(all)
	}
}

func TestExplainSaysWhoseAudienceItIs(t *testing.T) {
	const account = "system:serviceaccount:shop:cart"
	for name, tt := range map[string]struct {
		iss, sub string
		aud      any
		want     federation.Difference
		words    []string
	}{
		"GitHub's own":         {hub, "repo:a/b:pull_request", "https://github.com/a", federation.Other, []string{"GitHub uses unless", "core.getIDToken('api://AzureADTokenExchange')"}},
		"the API server's":     {cluster, account, []string{"https://kubernetes.default.svc.cluster.local"}, federation.Other, []string{"Kubernetes API server", "serviceAccountToken with audience: api://AzureADTokenExchange"}},
		"the binding's":        {cluster, account, "api://AKSIdentityBinding", federation.Other, []string{"identity-binding proxy"}},
		"several":              {hub, "repo:a/b:pull_request", []string{exchange, "x"}, federation.Several, []string{"several audiences"}},
		"the same twice":       {hub, "repo:a/b:pull_request", []string{exchange, exchange}, federation.Several, []string{"several audiences"}},
		"none":                 {cluster, account, []string{}, federation.Missing, []string{"The token has no audience"}},
		"in other case":        {hub, "s", "api://azureadtokenexchange", federation.Case, []string{"only in case"}},
		"of another cloud":     {hub, "s", "api://AzureADTokenExchangeChina", federation.Other, []string{"another of Azure's clouds"}},
		"of Amazon":            {hub, "s", "sts.amazonaws.com", federation.Other, []string{"Amazon"}},
		"of an unknown party":  {hub, "s", "https://other.example", federation.Other, []string{`"https://other.example"`}},
		"a slash at the start": {hub, "s", " " + exchange, federation.Spaces, []string{"The token has a space"}},
	} {
		t.Run(name, func(t *testing.T) {
			x := explained(t, unsigned(t, nil, claims(tt.iss, tt.sub, tt.aud)), credential(tt.iss, tt.sub))
			if len(x.Findings) != 1 || x.Findings[0].Field != federation.Audience || x.Findings[0].Difference != tt.want {
				t.Fatalf("%+v", x.Findings)
			}
			for _, word := range tt.words {
				if !strings.Contains(x.Findings[0].Text, word) {
					t.Errorf("%s\nlacks %s", x.Findings[0].Text, word)
				}
			}
		})
	}
}

// Everything that is wrong is told at once, with both clocks.
func TestExplainTellsSeveralProblemsAtOnce(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	asserted := map[string]any{"iss": hub + "/", "sub": "repo:a/b:pull_request", "aud": "https://github.com/a", "iat": now.Add(-2 * time.Hour).Unix(), "exp": now.Add(-time.Hour).Unix()}
	raw := unsigned(t, map[string]any{"alg": "ES256", "typ": "at+jwt"}, asserted)
	x := federation.Explain(federation.Question{Raw: raw, Now: now, Attempt: federation.Attempt{Refused: errRefused, Credentials: []federation.Credential{credential(hub, "repo:A/b:pull_request")}}})
	var fields []federation.Field
	for _, f := range x.Findings {
		fields = append(fields, f.Field)
	}
	want := []federation.Field{federation.Header, federation.Header, federation.Issuer, federation.Subject, federation.Audience, federation.Validity}
	if !slices.Equal(fields, want) {
		t.Errorf("%v, want %v", fields, want)
	}
	for _, word := range []string{"ES256", "at+jwt", "2026-11-27T12:00:00Z", "2026-11-27T11:00:00Z", "1h0m0s later", "It was valid for 1h0m0s"} {
		if !strings.Contains(texts(x), word) {
			t.Errorf("%s\nlacks %s", texts(x), word)
		}
	}
	asserted["iat"], asserted["exp"] = now.Add(6*time.Minute).Unix(), now.Add(time.Hour).Unix()
	x = federation.Explain(federation.Question{Raw: unsigned(t, nil, asserted), Now: now, Attempt: federation.Attempt{Refused: errRefused}})
	if !strings.Contains(texts(x), "not valid yet: iat is 2026-11-27T12:06:00Z") || !strings.Contains(texts(x), "6 minutes earlier; 5 minutes are allowed") {
		t.Error(texts(x))
	}
}

// The nearest credential is not the first one.
func TestExplainFindsTheNearestCredential(t *testing.T) {
	all := []federation.Credential{
		{Name: "cluster", Issuer: cluster, Subject: "system:serviceaccount:a:b", Audiences: []string{exchange}},
		{Name: "other", Issuer: hub, Subject: "repo:fabrikam/z:pull_request", Audiences: []string{exchange}},
		{Name: "slash", Issuer: hub + "/", Subject: "repo:contoso/app:ref:refs/heads/main", Audiences: []string{exchange}},
		{Name: "branch", Issuer: hub, Subject: "repo:contoso/app:ref:refs/heads/dev", Audiences: []string{exchange}},
	}
	for sub, want := range map[string]string{
		"repo:contoso/app:ref:refs/heads/main": "slash",
		"repo:contoso/app:ref:refs/heads/Dev":  "branch",
		"repo:Fabrikam/z:pull_request":         "other",
	} {
		if x := explained(t, unsigned(t, nil, claims(hub, sub, exchange)), all...); x.Nearest == nil || x.Nearest.Name != want {
			t.Errorf("%s: %+v, want %s", sub, x.Nearest, want)
		}
	}
	if x := explained(t, unsigned(t, nil, claims(cluster, "system:serviceaccount:a:c", exchange)), all...); x.Nearest.Name != "cluster" {
		t.Errorf("%+v", x.Nearest)
	}
}

func TestExplainSaysWhyATokenCannotBeRead(t *testing.T) {
	good := unsigned(t, nil, claims(hub, "s", exchange))
	for text, want := range map[string]string{
		"":                          "empty",
		"Bearer " + good:            "Bearer",
		`{"token":"` + good + `"}`:  "JSON object",
		`"` + good + `"`:            "quotation marks",
		good + "\n":                 "line break",
		"opaque":                    "1 part",
		"a.b.c.d.e":                 "JWE",
		good[:20]:                   "1 part",
		"!!." + good:                "4 parts",
		strings.Repeat("a", 17<<10): "17408 bytes",
		"e30.e30.!":                 "",
	} {
		x := explained(t, text, credential(hub, "s"))
		if len(x.Findings) == 0 || !strings.Contains(x.Findings[0].Text, want) {
			t.Errorf("%.40q: %+v", text, x.Findings)
		}
	}
}

// The command makes the token match, and has nothing that a shell could run or that looks like something else.
func TestAdviceMakesTheTokenMatch(t *testing.T) {
	identity := federation.Holder{Subscription: "sub", Group: "rg", Identity: "app"}
	for name, tt := range map[string]struct {
		sub  string
		aud  any
		all  []federation.Credential
		want string
	}{
		"a slash":                       {"repo:a/b:pull_request", exchange, []federation.Credential{credential(hub+"/", "repo:a/b:pull_request")}, "update --subscription sub --resource-group rg --identity-name app --name cred --issuer " + hub + " --subject repo:a/b:pull_request --audiences " + exchange},
		"none":                          {"s", exchange, nil, "create --subscription sub --resource-group rg --identity-name app --name workload-1 --issuer " + hub + " --subject s --audiences " + exchange},
		"another repo":                  {"repo:a/c:pull_request", exchange, []federation.Credential{credential(hub, "repo:a/b:pull_request")}, "create "},
		"a quote":                       {"x'; rm -rf ~; '", exchange, nil, `--subject 'x'\''; rm -rf ~; '\'''`},
		"a look-alike":                  {"p\u0430ypal", exchange, []federation.Credential{credential(hub, "paypal")}, ""},
		"a control":                     {"a\x1b[2Jb", exchange, nil, ""},
		"no subject":                    {"", exchange, nil, ""},
		"several audiences":             {"s", []string{"https://kubernetes.default.svc", "k3s"}, []federation.Credential{credential(hub, "s")}, ""},
		"several, and another subject":  {"t", []string{"https://kubernetes.default.svc", "k3s"}, []federation.Credential{credential(hub, "s")}, "--audiences " + exchange},
		"immutable, of somebody else":   {"repo:evil@9/app@8:ref:refs/heads/main", exchange, []federation.Credential{credential(hub, "repo:contoso/app:ref:refs/heads/main")}, "create "},
		"immutable, for an environment": {"repo:contoso@1/app@2:environment:prod", exchange, []federation.Credential{credential(hub, "repo:contoso/app:ref:refs/heads/main")}, "create "},
		"immutable":                     {"repo:contoso@1/app@2:environment:prod", exchange, []federation.Credential{credential(hub, "repo:contoso/app:environment:prod")}, "update "},
		"a wildcard":                    {"repo:contoso/app:pull_request", exchange, []federation.Credential{credential(hub, "repo:contoso/*")}, "create "},
		"an audience":                   {"s", "sts.amazonaws.com", []federation.Credential{credential(hub, "s")}, ""},
		"both":                          {"t", "sts.amazonaws.com", []federation.Credential{credential(hub, "s")}, "--audiences " + exchange},
		"twenty others":                 {"s", exchange, slices.Repeat([]federation.Credential{credential("https://o.example", "x")}, 20), ""},
	} {
		t.Run(name, func(t *testing.T) {
			x := explained(t, unsigned(t, nil, claims(hub, tt.sub, tt.aud)), tt.all...)
			got := strings.Join(x.Advice(identity, tt.all), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	x := explained(t, unsigned(t, nil, claims(hub, "s", exchange)))
	if got := x.Advice(federation.Holder{AppID: "app-id"}, nil); len(got) != 1 || !strings.HasPrefix(got[0], `az ad app federated-credential create --id app-id --parameters '{"audiences":["api://AzureADTokenExchange"],"issuer":`) {
		t.Errorf("%q", got)
	}
}

// A credential for a token that this server has issued for something else does not help, so that none is advised.
func TestAdviceMakesNoCredentialForTokensOfThisServer(t *testing.T) {
	identity := federation.Holder{Subscription: "sub", Group: "rg", Identity: "app"}
	for aud, want := range map[string]int{"https://management.azure.com/": 0, "": 0, federation.ExchangeAppID: 1} {
		x := federation.Explain(federation.Question{Raw: unsigned(t, nil, claims("https://midas.example/t/v2.0", "oid", aud)), Now: time.Now(), Attempt: federation.Attempt{Refused: &federation.Mismatch{}, Code: "AADSTS70025", Own: true}})
		if got := x.Advice(identity, nil); len(got) != want || (want == 0) != strings.Contains(texts(x), "This server has issued the token") {
			t.Errorf("%q: %q %s", aud, got, texts(x))
		}
	}
}

// A credential with the value of another claim is recognized.
func TestExplainNamesTheClaimThatTheCredentialHas(t *testing.T) {
	asserted := claims("https://accounts.google.com", "1122", exchange)
	asserted["email"] = "a@b.iam.gserviceaccount.com"
	x := explained(t, unsigned(t, nil, asserted), credential("https://accounts.google.com", "a@b.iam.gserviceaccount.com"))
	if len(x.Findings) != 1 || x.Findings[0].Difference != federation.OtherClaim || !strings.Contains(texts(x), "claim email") {
		t.Errorf("%+v", x.Findings)
	}
}

// FuzzExplain looks for tokens and subjects that are not explained: findings are never missing, end, and have nothing that
// a terminal could obey; a command makes the issuer and the subject match.
func FuzzExplain(f *testing.F) {
	subjects := []string{
		"repo:contoso/app:ref:refs/heads/main", "repo:contoso@1/app@2:environment:prod", "repo:a/b:pull_request", "system:serviceaccount:a:b", "spiffe://a.example/b",
		"organization:o:project:p:workspace:w:run_phase:plan", "project_path:a/b:ref_type:branch:ref:main", "sc://a/b/c", "repo:", "repo:@/@:", "p\u0430ypal", "", "a\x1b[2J\n", "repo:contoso/*",
	}
	for i, subject := range subjects {
		f.Add(hub, subject, exchange, subjects[(i+1)%len(subjects)], "")
	}
	f.Add("https://a.example/", "s", "", "s", "a.b.c")
	f.Fuzz(func(t *testing.T, issuer, subject, audience, configured, raw string) {
		c := credential(hub, configured)
		if raw == "" {
			raw = unsigned(t, nil, claims(issuer, subject, audience))
		}
		x := explained(t, raw, c)
		if len(x.Findings) == 0 {
			t.Fatal("there are no findings")
		}
		for _, finding := range x.Findings {
			if len(finding.Text) > 64<<10 || strings.ContainsFunc(finding.Text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%.300q", finding.Text)
			}
		}
		for _, command := range x.Advice(federation.Holder{AppID: "app-id"}, []federation.Credential{c}) {
			if strings.ContainsFunc(command, func(r rune) bool { return r < ' ' || r > '~' }) || !strings.HasPrefix(x.Assertion.Issuer, "https://") {
				t.Errorf("%q", command)
			}
		}
	})
}
