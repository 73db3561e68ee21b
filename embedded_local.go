//go:build !cluster

package midas

import (
	"context"

	"midas/internal/api/httpx"
	"midas/internal/datadir"
)

// This binary has no embedded cluster; findEngine refuses its store.

func (s *Server) prepareCluster(context.Context, *datadir.Dir) (origin string, err error) {
	return "", nil
}

func (s *Server) member() member { return nil }

func (s *Server) joinHandler(*datadir.Dir) httpx.Handler { return nil }
