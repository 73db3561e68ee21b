package midas

import (
	"context"
	"errors"
	"fmt"
	"net"

	"midas/internal/azure"
	"midas/internal/datadir"
	"midas/internal/installation"
	"midas/internal/localca"
	"midas/internal/ops"
	"midas/internal/serve"
	"midas/internal/store"
)

// opening holds what a step of Server.open leaves to the later ones.
type opening struct {
	dir          *datadir.Dir
	listeners    []net.Listener // of the main address
	store        *opened
	origin       string
	installation *installation.Installation
	authorities  localca.Authorities
}

// open opens everything that the server needs, in an order in which a failure leaves as little as
// possible behind.
func (s *Server) open(ctx context.Context) error {
	var o opening
	for _, step := range []func(context.Context, *opening) error{s.openFolder, s.openStore, s.openAuthorities, s.openServices, s.addServers} {
		if err := step(ctx, &o); err != nil {
			return err
		}
	}
	return nil
}

// openFolder opens the data folder and the main listeners.
func (s *Server) openFolder(ctx context.Context, o *opening) error {
	files, err := serve.Files()
	if err != nil {
		return err
	}
	if err := s.openPair(); err != nil {
		return err
	}
	s.files = serve.Divide(files)
	s.limit = serve.NewLimit(s.files.Connections, s.files.Each, s.log)
	if o.dir, err = datadir.Open(s.cfg.Data); err != nil {
		return err
	}
	s.resources.Add(o.dir)
	s.warnings = append(s.warnings, o.dir.RemovedAccess()...)
	if o.listeners, err = s.listen(ctx, "listen", s.cfg.Listen); err != nil {
		return err
	}
	s.address = serve.Authority(s.cfg.Listen, o.listeners[0])
	return nil
}

// openStore opens the store, and the installation in it.
func (s *Server) openStore(ctx context.Context, o *opening) error {
	joined, err := prepareCluster(ctx, s.cfg, o.dir)
	if err != nil {
		return err
	}
	o.store, err = openStore(ctx, s.cfg, s.engines, engineOptions{
		openFiles: s.files.StoreFiles, log: s.log, traced: s.tracing != nil, maxSize: int64(s.cfg.Cluster.MaxSize),
	})
	if err != nil {
		return err
	}
	s.resources.Add(o.store)
	if o.origin, err = s.originOf(ctx, o.store, joined); err != nil {
		return err
	}
	if err := s.requireHost(o.origin); err != nil {
		return err
	}
	if o.installation, err = openInstallation(ctx, s.cfg, local{dir: o.dir, origin: o.origin}, o.store); err != nil {
		return err
	}
	if w := s.cfg.MasterKey.warning(); w != "" {
		s.warnings = append(s.warnings, w)
	}
	if o.installation.Unfinished() {
		s.warnings = append(s.warnings, "a change of the master key has begun and has not ended: run midas keys reseal")
	}
	return s.warnOfRestore(ctx, o.store)
}

// warnOfRestore warns as long as a token that was revoked after the backup of a restored store could be in time.
func (s *Server) warnOfRestore(ctx context.Context, st *opened) error {
	return st.View(ctx, func(tx store.Tx) error {
		last, err := store.LastRestore(tx)
		if err == nil && !last.At.IsZero() && !last.TokensEnded && s.clock.Now().Sub(last.At) < longestToken {
			s.log.WarnContext(ctx, "the store was restored: what was revoked, withdrawn or removed after the backup was made is valid again, unless it is revoked again", "backup", last.Backup, "restored", last.At)
		}
		return err
	})
}

// openAuthorities opens the certificate authorities.
func (s *Server) openAuthorities(ctx context.Context, o *opening) (err error) {
	o.authorities, err = localca.OpenAuthorities(ctx, localca.AuthoritiesConfig{
		Storage: o.store.authorities(o.installation),
		Folder:  s.cfg.Data, Now: s.clock.Func(), Begin: s.clock.Begin, Names: s.names(o.origin), AzureNames: azure.Hosts(), Log: s.log, Trusted: s.trusted(),
	})
	if err != nil {
		return err
	}
	s.followPair(&o.authorities)
	s.caFile = o.authorities.Local.Path()
	return nil
}

// openServices opens what the handlers of all listeners use.
func (s *Server) openServices(ctx context.Context, o *opening) (err error) {
	s.health = &ops.Health{Read: o.store.read, Write: o.store.refuses}
	if err := errors.Join(s.register(o.store), s.registerCertificates(o.authorities)); err != nil {
		return err
	}
	at := local{dir: o.dir, origin: o.origin, address: s.address, tracer: s.tracer(), clock: s.clock}
	s.services, err = newServices(ctx, s.cfg, at, o.store, o.installation, o.authorities)
	return err
}

// addServers adds the servers of all listeners. Agents send requests to the main listener, so they come before it, and
// end before it does.
func (s *Server) addServers(ctx context.Context, o *opening) error {
	config, forAgents, err := o.authorities.ServerConfig()
	if err != nil {
		return err
	}
	if err := s.addMetadata(ctx, s.names(o.origin)); err != nil {
		return err
	}
	if err := s.addMain(o.dir, o.listeners, config, s.names(o.origin)); err != nil {
		return err
	}
	if err := s.addAgents(ctx, forAgents); err != nil {
		return err
	}
	if err := s.registerFigures(); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	if err := s.addControl(o.dir); err != nil {
		return err
	}
	return s.addOps(ctx)
}
