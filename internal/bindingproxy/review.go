package bindingproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Audience is the audience of the service-account tokens that pods present to the proxy, as in Azure Kubernetes
// Service.
const Audience = "api://AKSIdentityBinding"

// The permission of Kubernetes that a service account needs for an identity. The resource is the client id.
const (
	permissionVerb  = "use-managed-identity"
	permissionGroup = "cid.wi.aks.azure.com"
)

// user is a UserInfo of authentication.k8s.io/v1.
type user struct {
	Username string              `json:"username"`
	UID      string              `json:"uid"`
	Groups   []string            `json:"groups"`
	Extra    map[string][]string `json:"extra"`
}

// pod returns the name of the pod to which the user's token is bound, or an empty text.
func (u user) pod() string {
	return strings.Join(u.Extra["authentication.kubernetes.io/pod-name"], ",")
}

// typeMeta is what each object of Kubernetes begins with.
type typeMeta struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// tokenReview is a TokenReview that is sent.
type tokenReview struct {
	typeMeta
	Spec struct {
		Token     string   `json:"token"`
		Audiences []string `json:"audiences"`
	} `json:"spec"`
}

// tokenReviewed is a TokenReview that is received. Its spec, which has the token, is not read.
type tokenReviewed struct {
	typeMeta
	Status struct {
		Authenticated bool     `json:"authenticated"`
		User          user     `json:"user"`
		Audiences     []string `json:"audiences"`
		Error         string   `json:"error"`
	} `json:"status"`
}

// accessReview is a SubjectAccessReview that is sent. It has no namespace, so that only a ClusterRoleBinding gives
// the permission: who may write roles in a namespace must not be able to take identities.
type accessReview struct {
	typeMeta
	Spec accessSpec `json:"spec"`
}

type accessSpec struct {
	Resource resourceAttributes  `json:"resourceAttributes"`
	User     string              `json:"user"`
	Groups   []string            `json:"groups,omitempty"`
	Extra    map[string][]string `json:"extra,omitempty"`
	UID      string              `json:"uid,omitempty"`
}

type resourceAttributes struct {
	Verb     string `json:"verb"`
	Group    string `json:"group"`
	Resource string `json:"resource"`
}

// accessReviewed is a SubjectAccessReview that is received.
type accessReviewed struct {
	typeMeta
	Status struct {
		Allowed bool   `json:"allowed"`
		Denied  bool   `json:"denied"`
		Reason  string `json:"reason"`
		Error   string `json:"evaluationError"`
	} `json:"status"`
}

// reviewer asks the Kubernetes API server.
type reviewer struct {
	server *upstream
	token  string // file
}

// authenticate returns the service account to which a token belongs. The error is a *refusal if the API server
// does not accept the token for Audience, or if it is not of a service account.
func (r *reviewer) authenticate(ctx context.Context, token secret) (user, error) {
	asked := tokenReview{typeMeta: typeMeta{"authentication.k8s.io/v1", "TokenReview"}}
	asked.Spec.Token, asked.Spec.Audiences = string(token), []string{Audience}
	var got tokenReviewed
	if err := r.create(ctx, "tokenreviews", asked.typeMeta, asked, &got); err != nil {
		return user{}, err
	}
	switch who := got.Status; {
	case got.typeMeta != asked.typeMeta:
		return user{}, fmt.Errorf("the API server answered with %s %s", quote(got.APIVersion), quote(got.Kind))
	case !who.Authenticated || who.Error != "":
		// The API server's reason may quote the token's claims, but not the token.
		return user{}, errNotAuthenticated().because(fmt.Errorf("the API server does not accept the token: %s", quote(who.Error)))
	case !slices.Contains(who.Audiences, Audience):
		// An API server that does not know audiences accepts any of its tokens.
		return user{}, errNotAuthenticated().because(fmt.Errorf("the API server has accepted the token for %q only", who.Audiences))
	case !isServiceAccount(who.User.Username):
		return user{}, errNotAuthenticated().because(fmt.Errorf("%s is not a service account", quote(who.User.Username)))
	}
	return got.Status.User, nil
}

// isServiceAccount reports whether a user name is system:serviceaccount:NAMESPACE:NAME, both of them names of Kubernetes.
func isServiceAccount(name string) bool {
	rest, found := strings.CutPrefix(name, "system:serviceaccount:")
	namespace, account, _ := strings.Cut(rest, ":")
	return found && isObjectName(namespace) && isObjectName(account)
}

// isObjectName reports whether a text consists of the characters of a DNS subdomain (RFC 1123), of which names of
// Kubernetes are.
func isObjectName(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.'
	})
}

// authorize refuses a service account that may not use the identity with the client id.
func (r *reviewer) authorize(ctx context.Context, who user, clientID string) error {
	asked := accessReview{
		typeMeta: typeMeta{"authorization.k8s.io/v1", "SubjectAccessReview"},
		Spec: accessSpec{
			Resource: resourceAttributes{permissionVerb, permissionGroup, clientID},
			User:     who.Username, Groups: who.Groups, Extra: who.Extra, UID: who.UID,
		},
	}
	var got accessReviewed
	if err := r.create(ctx, "subjectaccessreviews", asked.typeMeta, asked, &got); err != nil {
		return err
	}
	switch access := got.Status; {
	case got.typeMeta != asked.typeMeta:
		return fmt.Errorf("the API server answered with %s %s", quote(got.APIVersion), quote(got.Kind))
	case !access.Allowed || access.Denied:
		return errNotAuthorized(who.Username, clientID).because(fmt.Errorf("pod %s: %s%s", quote(who.pod()), quote(access.Reason), quote(access.Error)))
	}
	return nil
}

// create sends a review and decodes the answer.
func (r *reviewer) create(ctx context.Context, resource string, of typeMeta, review, reviewed any) error {
	body, err := json.Marshal(review)
	if err != nil {
		return fmt.Errorf("encode the review: %w", err)
	}
	token, err := readToken(r.token)
	if err != nil {
		return err
	}
	target := r.server.origin.JoinPath("apis", of.APIVersion, resource)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", userAgent)
	got, err := r.server.do(request)
	if err != nil {
		return err
	}
	if got.status != http.StatusCreated && got.status != http.StatusOK {
		// The rest of the answer is not logged, because it may quote the request.
		return fmt.Errorf("the API server answered %d to the proxy's request for %s", got.status, resource)
	}
	if err := json.Unmarshal(got.body, reviewed); err != nil {
		return fmt.Errorf("the answer of the API server about %s is not the JSON of a review", resource)
	}
	return nil
}
