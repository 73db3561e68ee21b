package verify_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"midas/verify"
	"midas/verify/verifytest"
)

// orders is a service with two routes. Its options are those of the program: verify.WithCA with the ca.pem of Midas.
func orders(ctx context.Context, issuer string, options ...verify.Option) (http.Handler, *verify.Verifier, error) {
	v, err := verify.New(ctx, issuer, "api://orders", options...)
	if err != nil {
		return nil, nil, err
	}
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := verify.FromContext(r.Context())
		fmt.Fprintln(w, "orders for", caller.ObjectID)
	})
	mux := http.NewServeMux()
	mux.Handle("GET /orders", v.With(verify.RequireAnyRole("Orders.Read")).Middleware(read))
	mux.Handle("GET /mine", v.With(verify.RequireAnyScope("Orders.Mine")).Middleware(read))
	return mux, v, nil
}

func Example() {
	t := &testing.B{} // a test has its own
	issuer := verifytest.New(t)
	service, v, err := orders(context.Background(), issuer.URL, verify.WithHTTPClient(issuer.Client()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()
	token := issuer.Token(t, "api://orders", map[string]any{"roles": []string{"Orders.Read"}})
	for _, path := range []string{"/orders", "/mine"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 orders for 0f8fad5b-d9cb-469f-a165-70867728950e
	// 403 {"error":"insufficient_scope","error_description":"the token does not give the required rights: one of the scopes \"Orders.Mine\""}
}
