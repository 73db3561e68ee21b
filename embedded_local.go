//go:build !cluster

package midas

import (
	"context"
	"errors"

	"midas/internal/api/httpx"
	"midas/internal/datadir"
)

// This binary has no embedded cluster; findEngine refuses its store.

func prepareCluster(context.Context, Config, *datadir.Dir) (origin string, err error) {
	return "", nil
}

func (s *Server) member() member { return nil }

func (s *Server) joinHandler(*datadir.Dir) httpx.Handler { return nil }

var errNoEmbedded = errors.New("this binary has no embedded cluster: use one that was built with -tags cluster")

func knownCluster(context.Context, Config) ([]byte, error) { return nil, errNoEmbedded }

func resetCluster(context.Context, Config) error { return errNoEmbedded }
