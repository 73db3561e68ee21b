package midas

import (
	"context"

	"midas/internal/store"
)

// StartOn is Start with an additional engine, whose scheme in Config.Store is "test:".
func StartOn(ctx context.Context, cfg Config, open func() (store.Engine, error)) (*Server, error) {
	another := engine{scheme: "test:", open: func(context.Context, string, engineOptions) (store.Engine, error) { return open() }}
	return start(ctx, cfg, append(engines(), another))
}

// StoreName is storeName.
func StoreName(store string) string { return storeName(store) }
