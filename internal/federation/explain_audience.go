package federation

import (
	"fmt"
	"slices"
	"strings"

	"midas/internal/token"
)

// Several means that the token has more than one audience.
const Several Difference = "Several"

// audienceFinding compares the audience of a token with that of a credential. It returns false if they are the same.
func audienceFinding(c *Credential, a *token.Assertion) (Finding, bool) {
	configured := strings.Join(c.Audiences, ",")
	joined := strings.Join(a.Audience, ",")
	one := presented(a)
	switch {
	case one != "" && slices.Contains(c.Audiences, one):
		return Finding{}, false
	case len(a.Audience) > 1:
		detail := "A token with several audiences is refused, because its issuer has meant it for others too. Ask the issuer for a token with one audience."
		return differs(Audience, c, joined, configured, Several, detail), true
	}
	d, text := differ(one, configured)
	if d == Other {
		text = usualAudience(one)
	}
	f := differs(Audience, c, one, configured, d, text)
	if d == Missing {
		f.Text += " " + askFor(a, configured)
	}
	if d == Other {
		f.Text = strings.TrimSpace(f.Text + " " + askFor(a, configured))
	}
	return f, true
}

// usualAudience says what an audience is that issuers use unless they are asked for another, or empty.
func usualAudience(aud string) string {
	switch {
	case strings.HasPrefix(aud, "https://github.com/"):
		return "It is the one that GitHub uses unless the workflow asks for another."
	case strings.HasPrefix(aud, "https://kubernetes.default.svc"), strings.HasPrefix(aud, "https://kubernetes.default"), strings.Contains(aud, ".azmk8s.io"):
		return "It is the one of a Kubernetes API server: the token is the usual one of a service account."
	case aud == "api://AKSIdentityBinding":
		return "It is the one of AKS identity bindings: such a token is for the cluster's identity-binding proxy and not for the token endpoint."
	case aud == ExchangeAppID:
		return "It is the client id of api://AzureADTokenExchange."
	case slices.Contains(exchangeURIs(), aud):
		return "It is the one of another of Azure's clouds."
	case aud == "sts.amazonaws.com", aud == "aws.workload.identity":
		return "It is the one for Amazon Web Services."
	case strings.HasPrefix(aud, "https://gitlab."), strings.HasPrefix(aud, "https://iam.googleapis.com/"), strings.HasPrefix(aud, "//iam.googleapis.com/"):
		return "It is the one that another party expects."
	}
	return ""
}

// askFor says how a workload gets a token with an audience, for issuers that are known.
func askFor(a *token.Assertion, audience string) string {
	switch {
	case strings.HasPrefix(a.Issuer, githubIssuer):
		return fmt.Sprintf("A workflow asks for it with core.getIDToken('%s'), or with &audience=%s after ACTIONS_ID_TOKEN_REQUEST_URL.", audience, audience)
	case strings.HasPrefix(a.Subject, serviceAccount):
		return fmt.Sprintf("A pod gets it from a projected serviceAccountToken with audience: %s, and a person with kubectl create token --audience %s.", audience, audience)
	case strings.HasPrefix(a.Subject, "project_path:"):
		return fmt.Sprintf("A GitLab job asks for it with id_tokens: {TOKEN: {aud: '%s'}}.", audience)
	case strings.HasPrefix(a.Subject, "organization:"):
		return fmt.Sprintf("A workspace of HCP Terraform asks for it with TFC_AZURE_WORKLOAD_IDENTITY_AUDIENCE=%s.", audience)
	}
	return ""
}

const githubIssuer = "https://token.actions.githubusercontent.com"
