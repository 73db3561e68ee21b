package metadata_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/api/httpx"
	"midas/internal/api/metadata"
	"midas/internal/clock/clocktest"
	"midas/internal/host"
)

// Azure's metadata service has no path with an empty segment, and neither has any of its sister protocols.
func TestEmptySegmentsAreNotFound(t *testing.T) {
	s := &source{}
	for name, c := range map[string]struct {
		endpoint httpx.Handler
		path     string
	}{
		"IMDS":             {metadata.NewIMDS(config(s)), "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=r"},
		"IMDS's instance":  {metadata.NewIMDS(config(s)), "/metadata/instance/compute/name?api-version=2021-02-01&format=text"},
		"Arc":              {metadata.NewArc(config(s), t.TempDir()), "/metadata/identity/oauth2/token?api-version=2020-06-01&resource=r"},
		"App Service":      {metadata.NewAppService(config(s), secret), "/msi/token?api-version=2019-08-01&resource=r"},
		"Machine Learning": {metadata.NewMachineLearning(config(s), secret), "/msi/token?api-version=2017-09-01&resource=r"},
		"Service Fabric":   {metadata.NewServiceFabric(config(s), secret), "/metadata/identity/oauth2/token?api-version=2019-07-01-preview&resource=r"},
		"Cloud Shell":      {metadata.NewCloudShell(config(s)), "/oauth2/token"},
	} {
		t.Run(name, func(t *testing.T) {
			handler := serve(t, c.endpoint)
			path, query, _ := strings.Cut(c.path, "?")
			for i := range len(path) {
				if path[i] != '/' {
					continue
				}
				for _, method := range []string{"GET", "POST"} {
					spelled := path[:i] + "/" + path[i:] + "?" + query
					w := call(method+" "+spelled+flag+"\nSecret: "+secret+"\nX-IDENTITY-HEADER: "+secret+"\n=resource=r").do(t, handler)
					if w.Code != http.StatusNotFound {
						t.Errorf("%s %s: %d %s", method, spelled, w.Code, w.Body)
					}
				}
			}
		})
	}
}

func TestFlavours(t *testing.T) {
	const (
		msi2019 = "GET /msi/token?api-version=2019-08-01&resource=r"
		msi2017 = "GET /msi/token?api-version=2017-09-01&resource=r"
		fabric  = "GET /metadata/identity/oauth2/token?api-version=2019-07-01-preview&resource=r"
		header  = "\nX-IDENTITY-HEADER: " + secret
		legacy  = "\nsecret: " + secret
		form    = "POST /oauth2/token" + flag + "\nContent-Type: application/x-www-form-urlencoded\n="
	)
	appService := func(s metadata.Source) httpx.Handler { return metadata.NewAppService(config(s), secret) }
	learning := func(s metadata.Source) httpx.Handler { return metadata.NewMachineLearning(config(s), secret) }
	serviceFabric := func(s metadata.Source) httpx.Handler { return metadata.NewServiceFabric(config(s), secret) }
	cloudShell := func(s metadata.Source) httpx.Handler { return metadata.NewCloudShell(config(s)) }
	fabricError := func(code, message string) string {
		return fmt.Sprintf(`{"error":{"correlationId":"%s","code":"%s","message":"%s"}}`, guid, code, message)
	}
	msiError := func(status int, message string) string {
		return fmt.Sprintf(`{"statusCode":%d,"message":"%s","correlationId":"%s"}`, status, message, guid)
	}
	const wrong = "The header that proves the caller is missing or wrong"
	for name, c := range map[string]struct {
		endpoint func(metadata.Source) httpx.Handler
		err      error
		call     call
		status   int
		body     string
		selector host.Selector
	}{
		"App Service of 2019": {appService, nil, msi2019 + header, 200,
			`{"access_token":"` + raw + `","client_id":"` + clientID + `","expires_on":"1767409385","not_before":"1767322985","resource":"r","token_type":"Bearer"}`, host.Selector{}},
		"App Service of 2017": {appService, nil, msi2017 + legacy, 200,
			`{"access_token":"` + raw + `","expires_on":"01/03/2026 03:03:05 +00:00","resource":"r","token_type":"Bearer","client_id":"` + clientID + `"}`, host.Selector{}},
		"App Service, as Azure CLI asks":      {appService, nil, "GET /msi/token/?resource=r&api-version=2017-09-01&clientid=a" + legacy, 200, "", host.Selector{ClientID: "a"}},
		"App Service by client":               {appService, nil, msi2019 + "&client_id=a" + header, 200, "", host.Selector{ClientID: "a"}},
		"App Service by object":               {appService, nil, msi2019 + "&object_id=a" + header, 200, "", host.Selector{ObjectID: "a"}},
		"App Service by principal":            {appService, nil, msi2019 + "&principal_id=a" + header, 200, "", host.Selector{ObjectID: "a"}},
		"App Service by resource":             {appService, nil, msi2019 + "&mi_res_id=a" + header, 200, "", host.Selector{ResourceID: "a"}},
		"App Service without its header":      {appService, nil, msi2019, 403, msiError(403, wrong), host.Selector{}},
		"App Service with a wrong header":     {appService, nil, msi2019 + header + "x", 403, msiError(403, wrong), host.Selector{}},
		"App Service with its header twice":   {appService, nil, msi2019 + header + header, 403, msiError(403, wrong), host.Selector{}},
		"the header of the other version":     {appService, nil, msi2019 + legacy, 403, msiError(403, wrong), host.Selector{}},
		"App Service, forwarded":              {appService, nil, msi2019 + header + "\nX-Forwarded-For: a", 400, "", host.Selector{}},
		"App Service, foreign host":           {appService, nil, msi2019 + header + "\nHost: attacker.example", 403, "", host.Selector{}},
		"App Service, unknown version":        {appService, nil, "GET /msi/token?api-version=2020-01-01&resource=r" + header, 400, "", host.Selector{}},
		"App Service, POST":                   {appService, nil, "POST /msi/token?api-version=2019-08-01&resource=r" + header, 405, "", host.Selector{}},
		"App Service has no other path":       {appService, nil, "GET /metadata/versions" + header, 404, "", host.Selector{}},
		"App Service without such identity":   {appService, host.ErrNotAssigned, msi2019 + header, 400, msiError(400, "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."), host.Selector{}},
		"App Service with several identities": {appService, host.ErrSeveral, msi2019 + header, 400, msiError(400, "Unable to load the proper Managed Identity."), host.Selector{}},
		"Machine Learning":                    {learning, nil, msi2017 + "&clientid=" + legacy, 200, `{"access_token":"` + raw + `","client_id":"` + clientID + `","expires_on":"1767409385","resource":"r","token_type":"Bearer"}`, host.Selector{}},
		"Machine Learning by client":          {learning, nil, msi2017 + "&clientid=a" + legacy, 200, "", host.Selector{ClientID: "a"}},
		"Machine Learning without secret":     {learning, nil, msi2017, 401, msiError(401, wrong), host.Selector{}},
		"Machine Learning, other version":     {learning, nil, msi2019 + legacy, 400, "", host.Selector{}},
		"Service Fabric":                      {serviceFabric, nil, fabric + "\nSecret: " + secret, 200, `{"token_type":"Bearer","access_token":"` + raw + `","expires_on":1767409385,"resource":"r"}`, host.Selector{}},
		"Service Fabric selects by manifest":  {serviceFabric, nil, fabric + "&client_id=a\nSecret: " + secret, 200, "", host.Selector{}},
		"Service Fabric without secret":       {serviceFabric, nil, fabric, 401, fabricError("SecretHeaderNotFound", wrong), host.Selector{}},
		"Service Fabric without resource":     {serviceFabric, nil, "GET /metadata/identity/oauth2/token?api-version=2019-07-01-preview\nSecret: " + secret, 400, fabricError("ArgumentNullOrEmpty", "Required audience parameter not specified"), host.Selector{}},
		"Service Fabric without identity":     {serviceFabric, host.ErrNone, fabric + "\nSecret: " + secret, 400, fabricError("ManagedIdentityNotFound", "Identity not found"), host.Selector{}},
		"Cloud Shell":                         {cloudShell, nil, form + "resource=r", 200, "", host.Selector{}},
		"Cloud Shell by client":               {cloudShell, nil, form + "resource=r&client_id=a", 200, "", host.Selector{ClientID: "a"}},
		"Cloud Shell, GET":                    {cloudShell, nil, "GET /oauth2/token?resource=r" + flag, 405, "", host.Selector{}},
		"Cloud Shell ignores the query":       {cloudShell, nil, "POST /oauth2/token?resource=r" + flag + "\nContent-Type: application/x-www-form-urlencoded", 400, "", host.Selector{}},
		"Cloud Shell without header":          {cloudShell, nil, "POST /oauth2/token\nContent-Type: application/x-www-form-urlencoded\n=resource=r", 400, `{"error":{"code":"invalid_request","message":"Required metadata header not specified"}}`, host.Selector{}},
		"Cloud Shell with a body of JSON":     {cloudShell, nil, "POST /oauth2/token" + flag + "\nContent-Type: application/json\n={}", 415, "", host.Selector{}},
		"Cloud Shell with a huge form":        {cloudShell, nil, call(form + "resource=" + strings.Repeat("a", 10<<10)), 413, "", host.Selector{}},
		"Cloud Shell with a repeated name":    {cloudShell, nil, form + "resource=r&resource=s", 400, "", host.Selector{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &source{err: c.err}
			w := c.call.do(t, serve(t, c.endpoint(s)))
			if w.Code != c.status || c.body != "" && w.Body.String() != c.body {
				t.Errorf("%d %s\nwant %d %s", w.Code, w.Body, c.status, c.body)
			}
			if s.selector != c.selector {
				t.Errorf("selector %+v, want %+v", s.selector, c.selector)
			}
			if w.Code != 200 && (s.audience != "" && c.err == nil || strings.Contains(w.Body.String(), raw)) {
				t.Error("a refused request has reached a token")
			}
		})
	}
}

const arcAsk = "GET /metadata/identity/oauth2/token?api-version=2020-06-01&resource=r"

// challenge asks once and reads the file that the answer names.
func challenge(t *testing.T, h http.Handler, dir string) string {
	t.Helper()
	w := call(arcAsk+flag).do(t, h)
	file, found := strings.CutPrefix(w.Header().Get("Www-Authenticate"), "Basic realm=")
	if w.Code != 401 || !found || filepath.Dir(file) != dir || filepath.Ext(file) != ".key" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o007 != 0 || info.Size() > 4096 {
		t.Fatalf("%v %v", info, err)
	}
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(key)
}

func TestArcProofIsAcceptedOnceWithinItsLifetime(t *testing.T) {
	dir, now, ids := t.TempDir(), start, 0
	cfg := config(&source{})
	cfg.Now = func() time.Time { return now }
	cfg.NewID = func() string { ids++; return fmt.Sprintf("id-%d", ids) }
	h := serve(t, metadata.NewArc(cfg, dir))
	proof := func(key string) call { return call(arcAsk + flag + "\nAuthorization: Basic " + key) }

	key := challenge(t, h, dir)
	if w := proof(key).do(t, h); w.Code != 200 || decoded(t, w.Body)["access_token"] != raw {
		t.Errorf("the proof is refused: %d", w.Code)
	}
	if w := proof(key).do(t, h); w.Code != 401 {
		t.Errorf("the proof was accepted twice: %d", w.Code)
	}
	if w := proof("guess").do(t, h); w.Code != 401 {
		t.Errorf("a guess: %d", w.Code)
	}
	late := challenge(t, h, dir)
	now = now.Add(time.Hour)
	if w := proof(late).do(t, h); w.Code != 401 {
		t.Errorf("an old proof: %d", w.Code)
	}
	if w := call(strings.TrimSuffix(string(proof(challenge(t, h, dir))), "")+"\nX-Forwarded-For: a").do(t, h); w.Code != 400 {
		t.Errorf("forwarded: %d", w.Code)
	}
	for range 100 {
		call(arcAsk+flag).do(t, h)
	}
	left, err := fs.Glob(os.DirFS(dir), "*")
	if err != nil || len(left) > 64 {
		t.Errorf("%d files are left (%v)", len(left), err)
	}
}

// A challenge does not wait for the server, so AtOnce does not apply to it. Otherwise programs could not get cached
// tokens while other requests wait for a server that does not answer.
func TestArcChallengesDoNotCountAsWaitingRequests(t *testing.T) {
	s := &source{entered: make(chan struct{}), leave: make(chan struct{}), known: map[string]bool{"warm": true}}
	cfg := config(s)
	cfg.Limit = metadata.Limit{AtOnce: 5}
	ids := 0
	cfg.NewID = func() string { ids++; return fmt.Sprintf("id-%d", ids) }
	dir := t.TempDir()
	h := serve(t, metadata.NewArc(cfg, dir))
	done := make(chan int)
	for range 5 {
		proof := "\nAuthorization: Basic " + challenge(t, h, dir)
		go func() { done <- call(arcAsk+flag+proof).do(t, h).Code }()
		<-s.entered
	}
	for audience, want := range map[string]int{"warm": 200, "cold": http.StatusTooManyRequests} {
		of := strings.TrimSuffix(arcAsk, "r") + audience + flag
		if w := call(of+"\nAuthorization: Basic "+challenge(t, h, dir)).do(t, h); w.Code != want {
			t.Errorf("%s: %d, want %d", audience, w.Code, want)
		}
	}
	close(s.leave)
	for range 5 {
		if code := <-done; code != 200 {
			t.Errorf("one of the five got %d", code)
		}
	}
}

// The monotonic clock stops while a machine is suspended, and in a snapshot.
func TestArcProofExpiresDuringSuspend(t *testing.T) {
	var now clocktest.Clock
	cfg := config(&source{})
	cfg.Now = now.Now
	dir := t.TempDir()
	h := serve(t, metadata.NewArc(cfg, dir))
	key := challenge(t, h, dir)
	now.Set(time.Hour)
	if w := call(arcAsk+flag+"\nAuthorization: Basic "+key).do(t, h); w.Code != 401 {
		t.Errorf("a proof of an hour ago: %d", w.Code)
	}
}

// Clients accept the token of a selected identity only if the answer repeats the selector.
func TestArcAnswerRepeatsTheSelector(t *testing.T) {
	dir := t.TempDir()
	s := &source{}
	h := serve(t, metadata.NewArc(config(s), dir))
	key := challenge(t, h, dir)
	w := call(arcAsk+"&msi_res_id=%2Fa%22B"+flag+"\nAuthorization: basic "+key).do(t, h)
	if got := decoded(t, w.Body); got["msi_res_id"] != `/a"B` || got["client_id"] != clientID || s.selector.ResourceID != `/a"B` {
		t.Errorf("%d %v", w.Code, got)
	}
}

func TestArcServesInstanceMetadata(t *testing.T) {
	w := call("GET /metadata/instance/compute/name?api-version=2021-02-01&format=text"+flag).do(t, serve(t, metadata.NewArc(config(&source{instance: machine()}), t.TempDir())))
	if w.Body.String() != "web1" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestEnvironmentChoosesTheProtocol(t *testing.T) {
	got := map[string]string{}
	for _, f := range []metadata.Flavour{
		metadata.FlavourIMDS, metadata.FlavourAppService, metadata.FlavourArc, metadata.FlavourCloudShell,
		metadata.FlavourServiceFabric, metadata.FlavourMachineLearning, "other",
	} {
		var names []string
		for _, v := range metadata.Environment(f, "o", "s", "t") {
			names = append(names, v.Name+"="+v.Value)
		}
		got[string(f)] = strings.Join(names, " ")
	}
	want := map[string]string{
		"imds":             "AZURE_POD_IDENTITY_AUTHORITY_HOST=o MSAL_MANAGED_IDENTITY_ENDPOINT=o/metadata/identity/oauth2/token ARM_MSI_ENDPOINT=o/metadata/identity/oauth2/token ARM_USE_MSI=true",
		"app-service":      "IDENTITY_ENDPOINT=o/msi/token IDENTITY_HEADER=s MSI_ENDPOINT=o/msi/token MSI_SECRET=s APPSETTING_WEBSITE_SITE_NAME=midas",
		"arc":              "IDENTITY_ENDPOINT=o/metadata/identity/oauth2/token IMDS_ENDPOINT=o",
		"cloud-shell":      "MSI_ENDPOINT=o/oauth2/token",
		"service-fabric":   "IDENTITY_ENDPOINT=o/metadata/identity/oauth2/token IDENTITY_HEADER=s IDENTITY_SERVER_THUMBPRINT=t",
		"machine-learning": "MSI_ENDPOINT=o/msi/token MSI_SECRET=s",
		"other":            "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
