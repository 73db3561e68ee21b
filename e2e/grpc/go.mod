// The interceptor of docs/verify.md with the real gRPC. It is a module of its own, so that Midas does not depend on it.
module midas/e2e/grpc

go 1.26.0

require (
	google.golang.org/grpc v1.85.0
	midas v0.0.0
)

require (
	github.com/go-jose/go-jose/v4 v4.1.9 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261110000943-09e21b237f2c // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace midas => ../..
