package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/credentials/idtoken"
	"cloud.google.com/go/compute/metadata"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/coreos/go-oidc/v3/oidc"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	kube "k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

// world is what the test that runs this one has made.
type world struct {
	Endpoint, Tenant, CA    string
	Identity, ClientID      string // the object id and the client id of the identity
	Kubernetes              string // an AuthenticationConfiguration
	KubernetesToken         string
	AWSTokenFile            string
	GoogleAudience, Project string
}

func read(t *testing.T) world {
	t.Helper()
	data, err := os.ReadFile(os.Getenv("MIDAS_TRUST"))
	if err != nil {
		t.Skip("e2e/trust_test.go runs this test")
	}
	var w world
	if err := json.Unmarshal(data, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// client trusts the server's CA only.
func (w world) client(t *testing.T) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(w.CA)) {
		t.Fatal("no CA")
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

func (w world) verify(t *testing.T, issuer, audience, raw string) (*oidc.IDToken, error) {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), w.client(t))
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	return provider.Verifier(&oidc.Config{ClientID: audience}).Verify(ctx, raw)
}

// TestKubernetes runs the authenticator of a Kubernetes API server with the configuration of docs/trust.md.
func TestKubernetes(t *testing.T) {
	w := read(t)
	scheme := runtime.NewScheme()
	install.Install(scheme)
	codecs := serializer.NewCodecFactory(scheme, serializer.EnableStrict)
	var config apiserver.AuthenticationConfiguration
	if err := runtime.DecodeInto(codecs.UniversalDecoder(), []byte(w.Kubernetes), &config); err != nil {
		t.Fatalf("%v\n%s", err, w.Kubernetes)
	}
	compiler := authenticationcel.NewCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if errs := validation.ValidateAuthenticationConfiguration(compiler, &config, nil); len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	ca := []byte(config.JWT[0].Issuer.CertificateAuthority)
	authenticator, err := kube.New(t.Context(), kube.Options{JWTAuthenticator: config.JWT[0], CAContentProvider: authority(ca)})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); authenticator.HealthCheck() != nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(authenticator.HealthCheck())
		}
	}
	got, ok, err := authenticator.AuthenticateToken(t.Context(), w.KubernetesToken)
	if err != nil || !ok {
		t.Fatalf("%v %v", ok, err)
	}
	if name := got.User.GetName(); name != "midas:"+w.Identity {
		t.Errorf("the user is %q", name)
	}
	if _, ok, err := authenticator.AuthenticateToken(t.Context(), w.KubernetesToken[:len(w.KubernetesToken)-4]+"AAAA"); ok && err == nil {
		t.Error("a forged token is accepted")
	}
}

type authority []byte

func (a authority) CurrentCABundleContent() []byte { return a }

// TestAWS reads the token file as a program with AWS_WEB_IDENTITY_TOKEN_FILE does, at an STS that verifies it.
func TestAWS(t *testing.T) {
	w := read(t)
	const role = "arn:aws:iam::123456789012:role/midas"
	fake := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		token, err := w.verify(t, w.Endpoint+"/"+w.Tenant+"/", "sts.amazonaws.com", r.FormValue("WebIdentityToken"))
		if err != nil || token.Subject != w.Identity || r.FormValue("Action") != "AssumeRoleWithWebIdentity" || r.FormValue("RoleArn") != role {
			t.Errorf("%v %+v %v", err, token, r.Form)
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		rw.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(rw, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>key</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(fake.Close)
	client := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: aws.String(fake.URL)})
	got, err := stscreds.NewWebIdentityRoleProvider(client, role, stscreds.IdentityTokenFile(w.AWSTokenFile)).Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "key" {
		t.Errorf("%v %v", got.AccessKeyID, err)
	}
}

// TestGoogle uses the agent by Google's libraries, which find it by GCE_METADATA_HOST.
func TestGoogle(t *testing.T) {
	w := read(t)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	ctx := context.Background()
	if !metadata.OnGCEWithContext(ctx) {
		t.Fatal("not on Google")
	}
	email, err := metadata.EmailWithContext(ctx, "default")
	if err != nil || !strings.HasPrefix(email, w.ClientID+"@") {
		t.Errorf("email %q, %v", email, err)
	}
	if scopes, err := metadata.ScopesWithContext(ctx, "default"); err != nil || len(scopes) != 1 {
		t.Errorf("scopes %v, %v", scopes, err)
	}
	found, err := credentials.DetectDefault(&credentials.DetectOptions{Scopes: []string{"https://www.googleapis.com/auth/cloud-platform"}})
	if err != nil {
		t.Fatal(err)
	}
	if project, err := found.ProjectID(ctx); err != nil || project != w.Project {
		t.Errorf("project %q, %v", project, err)
	}
	if universe, err := found.UniverseDomain(ctx); err != nil || universe != "googleapis.com" {
		t.Errorf("universe %q, %v", universe, err)
	}
	issuer := w.Endpoint + "/" + w.Tenant + "/"
	access, err := found.Token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if verified, err := w.verify(t, issuer, w.GoogleAudience, access.Value); err != nil || verified.Subject != w.Identity {
		t.Errorf("access token: %+v %v", verified, err)
	}
	const audience = "https://service.example"
	made, err := idtoken.NewCredentials(&idtoken.Options{Audience: audience})
	if err != nil {
		t.Fatal(err)
	}
	identity, err := made.Token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if verified, err := w.verify(t, issuer, audience, identity.Value); err != nil || verified.Subject != w.Identity {
		t.Errorf("identity token: %+v %v", verified, err)
	}
}
