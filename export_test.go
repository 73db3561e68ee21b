package midas

import (
	"context"

	"midas/internal/store"
)

// StartOn is Start with one engine more, which Config.Store names "test:".
func StartOn(ctx context.Context, cfg Config, open func() (store.Engine, error)) (*Server, error) {
	another := engine{scheme: "test:", open: func(string, engineOptions) (store.Engine, error) { return open() }}
	return start(ctx, cfg, append(engines(), another))
}
