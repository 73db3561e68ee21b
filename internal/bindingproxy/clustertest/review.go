package clustertest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// tokenReview answers POST tokenreviews.
func (c *Cluster) tokenReview(w http.ResponseWriter, r *http.Request) {
	var review authenticationv1.TokenReview
	if !c.admit(w, r, authenticationv1.GroupName, "tokenreviews", &review) {
		return
	}
	audiences := review.Spec.Audiences
	if len(audiences) == 0 {
		audiences = []string{APIAudience}
	}
	who, both, err := c.authenticate(review.Spec.Token, audiences)
	if err != nil {
		review.Status.Error = err.Error()
	} else {
		review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: who, Audiences: both}
	}
	created(w, review)
}

// accessReview answers POST subjectaccessreviews.
func (c *Cluster) accessReview(w http.ResponseWriter, r *http.Request) {
	var review authorizationv1.SubjectAccessReview
	if !c.admit(w, r, authorizationv1.GroupName, "subjectaccessreviews", &review) {
		return
	}
	spec := review.Spec
	if spec.ResourceAttributes == nil || spec.NonResourceAttributes != nil || spec.User == "" {
		status(w, http.StatusUnprocessableEntity, "Invalid")
		return
	}
	of := spec.ResourceAttributes
	if binding, allowed := c.allowed(spec.User, spec.Groups, of.Verb, of.Group, of.Resource); allowed {
		review.Status.Allowed, review.Status.Reason = true, fmt.Sprintf("RBAC: allowed by ClusterRoleBinding %q", binding)
	}
	created(w, review)
}

// admit authenticates and authorizes the caller and decodes the review strictly. It reports whether the handler may
// go on.
func (c *Cluster) admit(w http.ResponseWriter, r *http.Request, group, resource string, review any) bool {
	c.mu.Lock()
	c.reviews[resource]++
	c.mu.Unlock()
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	caller, _, err := c.authenticate(bearer, []string{APIAudience})
	if err != nil {
		status(w, http.StatusUnauthorized, "Unauthorized")
		return false
	}
	if _, allowed := c.allowed(caller.Username, caller.Groups, "create", group, resource); !allowed {
		status(w, http.StatusForbidden, "Forbidden")
		return false
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 3<<20))
	if err != nil || r.Header.Get("Content-Type") != "application/json" {
		status(w, http.StatusUnsupportedMediaType, "UnsupportedMediaType")
		return false
	}
	if err := yaml.UnmarshalStrict(body, review); err != nil {
		c.t.Errorf("%s: %v", resource, err)
		status(w, http.StatusBadRequest, "BadRequest")
		return false
	}
	return true
}

// allowed evaluates the ClusterRoleBindings, as RBAC does for a request without a namespace.
func (c *Cluster) allowed(user string, groups []string, verb, group, resource string) (binding string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.bindings {
		bound := slices.ContainsFunc(b.Subjects, func(s rbacv1.Subject) bool {
			switch s.Kind {
			case rbacv1.ServiceAccountKind:
				return user == "system:serviceaccount:"+s.Namespace+":"+s.Name
			case rbacv1.GroupKind:
				return slices.Contains(groups, s.Name)
			}
			return s.Name == user
		})
		role, found := c.roles[b.RoleRef.Name]
		if bound && found && slices.ContainsFunc(role.Rules, func(rule rbacv1.PolicyRule) bool {
			return has(rule.Verbs, verb) && has(rule.APIGroups, group) && has(rule.Resources, resource) && len(rule.ResourceNames) == 0
		}) {
			return b.Name, true
		}
	}
	return "", false
}

func has(all []string, one string) bool {
	return slices.Contains(all, one) || slices.Contains(all, "*")
}

func created(w http.ResponseWriter, review any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(review)
}

// status answers with an error as the API server does.
func status(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: reason, Code: int32(code),
	})
}
