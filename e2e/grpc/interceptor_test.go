package grpc_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"midas/verify"
	"midas/verify/verifytest"
)

// v is a variable of the service of docs/verify.md, from which authorize is copied.
var v *verify.Verifier

func authorize(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	ctx, err := v.Authorize(ctx, strings.Join(md.Get("authorization"), ", "))
	switch verify.HTTPStatus(err) {
	case http.StatusOK:
		return next(ctx, req)
	case http.StatusForbidden:
		return nil, status.Error(codes.PermissionDenied, "the token does not give the required rights")
	case http.StatusServiceUnavailable:
		return nil, status.Error(codes.Unavailable, "tokens cannot be checked for now")
	}
	return nil, status.Error(codes.Unauthenticated, "a valid bearer token is required")
}

// callers is a health service that answers only if it knows the caller.
type callers struct{ *health.Server }

func (callers) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if c, ok := verify.FromContext(ctx); !ok || c.ObjectID != verifytest.ObjectID {
		return nil, status.Error(codes.Internal, "no claims")
	}
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

func TestInterceptor(t *testing.T) {
	issuer := verifytest.New(t)
	var err error
	v, err = verify.New(t.Context(), issuer.URL, "api://orders", verify.WithHTTPClient(issuer.Client()), verify.RequireAnyRole("Orders.Read"))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(authorize))
	grpc_health_v1.RegisterHealthServer(server, callers{health.NewServer()})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	connection, err := grpc.NewClient("dns:///"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	client := grpc_health_v1.NewHealthClient(connection)
	call := func(headers ...string) codes.Code {
		ctx := t.Context()
		for _, h := range headers {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", h)
		}
		_, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return status.Code(err)
	}
	good := "Bearer " + issuer.Token(t, "api://orders", map[string]any{"roles": []string{"Orders.Read"}})
	for _, tt := range []struct {
		headers []string
		want    codes.Code
	}{
		{[]string{good}, codes.OK},
		{nil, codes.Unauthenticated},
		{[]string{good, good}, codes.Unauthenticated},
		{[]string{"Bearer x"}, codes.Unauthenticated},
		{[]string{"Bearer " + issuer.Token(t, "api://orders", nil)}, codes.PermissionDenied},
	} {
		if got := call(tt.headers...); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.headers, got, tt.want)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if got := call(good); got != codes.Unavailable {
		t.Errorf("after the end of the verifier: %v", got)
	}
}

// The page has the interceptor of this file.
func TestPageHasTheInterceptor(t *testing.T) {
	page, err := os.ReadFile("../../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("interceptor_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, found := strings.Cut(string(page), "```go\nfunc authorize(")
	code, _, closed := strings.Cut(code, "```")
	if !found || !closed || !strings.Contains(string(source), "func authorize("+code) {
		t.Error("docs/verify.md has another interceptor")
	}
}
