// Command outsideissuer is an OpenID provider by zitadel/oidc at a loopback address, with its in-memory storage. It issues
// access tokens that are JWTs to the service user sid1. It prints the address at which it serves, and makes a new signing
// key with each start.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// provider is the storage, with JWTs as access tokens of service users.
type provider struct{ *storage.Storage }

type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (p provider) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := p.Storage.ClientCredentials(ctx, id, secret)
	return jwtClient{c}, err
}

func main() {
	address := flag.String("listen", "127.0.0.1:0", "address")
	cert, key := flag.String("cert", "", "certificate, PEM"), flag.String("key", "", "key, PEM")
	flag.Parse()
	l, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	issuer := "https://" + l.Addr().String()
	store := provider{storage.NewStorage(storage.NewUserStore(issuer))}
	router := exampleop.SetupServer(issuer, store, slog.New(slog.DiscardHandler), false)
	fmt.Println(issuer)
	log.Fatal(http.ServeTLS(l, router, *cert, *key))
}
