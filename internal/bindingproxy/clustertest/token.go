package clustertest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
)

const keyID = "c7mU0Ed9uPBlNs1-o3Pl2wHJFvGnNSWYEuQo0DTxTKU"

// claims are those of a service-account token that the kubelet projects into a pod.
type claims struct {
	Audience   []string   `json:"aud"`
	Expires    int64      `json:"exp"`
	IssuedAt   int64      `json:"iat"`
	Issuer     string     `json:"iss"`
	ID         string     `json:"jti"`
	Kubernetes kubernetes `json:"kubernetes.io"`
	NotBefore  int64      `json:"nbf"`
	Subject    string     `json:"sub"`
}

// kubernetes says to what a token is bound.
type kubernetes struct {
	Namespace string   `json:"namespace"`
	Node      *boundTo `json:"node,omitempty"`
	Pod       *boundTo `json:"pod,omitempty"`
	Account   boundTo  `json:"serviceaccount"`
}

type boundTo struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// Pod names a pod and its service account.
type Pod struct{ Namespace, Account, Name string }

// Token is a service-account token of a pod, as the kubelet projects it. If the pod has no name, the token is bound to
// the service account only. Service account and pod are made if they do not exist.
func (c *Cluster) Token(of Pod, life time.Duration, audiences ...string) string {
	c.t.Helper()
	now := time.Now()
	k := kubernetes{Namespace: of.Namespace, Account: boundTo{of.Account, c.addAccount(of.Namespace, of.Account)}}
	if of.Name != "" {
		c.mu.Lock()
		key := of.Namespace + "/" + of.Name
		if c.pods[key] == "" {
			c.pods[key] = uid()
		}
		k.Pod, k.Node = &boundTo{of.Name, c.pods[key]}, &boundTo{"node-1", "3f1b4a5e-0c1d-4a51-9c3b-6f2f3d1c0001"}
		c.mu.Unlock()
	}
	from := now
	if life < 0 {
		from = now.Add(2 * life)
	}
	return c.Sign(map[string]any{"alg": "RS256", "kid": keyID}, claims{
		Audience: audiences, Expires: from.Add(max(life, -life)).Unix(), IssuedAt: from.Unix(), NotBefore: from.Unix(), Issuer: c.URL, ID: uid(),
		Kubernetes: k, Subject: "system:serviceaccount:" + of.Namespace + ":" + of.Account,
	})
}

// Sign signs any claims with the cluster's key.
func (c *Cluster) Sign(header, payload any) string {
	c.t.Helper()
	var parts []string
	for _, part := range []any{header, payload} {
		data, err := json.Marshal(part)
		if err != nil {
			c.t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(data))
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, ".")))
	signature, err := rsa.SignPKCS1v15(rand.Reader, c.key, crypto.SHA256, sum[:])
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.Join(append(parts, base64.RawURLEncoding.EncodeToString(signature)), ".")
}

// authenticate verifies a token for one of the audiences, as the API server does. It returns the user and the
// audiences that both sides have.
func (c *Cluster) authenticate(token string, audiences []string) (who authenticationv1.UserInfo, both []string, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return who, nil, errors.New("invalid bearer token")
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(&c.key.PublicKey, crypto.SHA256, sum[:], signature) != nil {
		return who, nil, errors.New("[invalid bearer token, square/go-jose: error in cryptographic primitive]")
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var got claims
	if err := json.Unmarshal(payload, &got); err != nil {
		return who, nil, err
	}
	both = slices.DeleteFunc(slices.Clone(audiences), func(a string) bool { return !slices.Contains(got.Audience, a) })
	c.mu.Lock()
	defer c.mu.Unlock()
	k := got.Kubernetes
	switch {
	case got.Issuer != c.URL:
		return who, nil, errors.New("invalid bearer token")
	case len(both) == 0:
		return who, nil, fmt.Errorf("[invalid bearer token, token audiences %q is invalid for the target audiences %q]", got.Audience, audiences)
	case time.Now().Unix() >= got.Expires:
		return who, nil, errors.New("[invalid bearer token, service account token has expired]")
	case c.accounts[k.Namespace+"/"+k.Account.Name] != k.Account.UID:
		return who, nil, errors.New("[invalid bearer token, service account UID is not the claimed UID]")
	case k.Pod != nil && c.pods[k.Namespace+"/"+k.Pod.Name] != k.Pod.UID:
		return who, nil, errors.New("[invalid bearer token, Token has been invalidated]")
	}
	who = authenticationv1.UserInfo{
		Username: got.Subject, UID: k.Account.UID,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + k.Namespace, "system:authenticated"},
		Extra:  map[string]authenticationv1.ExtraValue{"authentication.kubernetes.io/credential-id": {"JTI=" + got.ID}},
	}
	if k.Pod != nil {
		who.Extra["authentication.kubernetes.io/pod-name"] = authenticationv1.ExtraValue{k.Pod.Name}
		who.Extra["authentication.kubernetes.io/pod-uid"] = authenticationv1.ExtraValue{k.Pod.UID}
	}
	return who, both, nil
}
