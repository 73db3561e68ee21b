package midas

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"

	"midas/internal/activity"
	"midas/internal/agent"
	"midas/internal/arm"
	"midas/internal/fleet"
	"midas/internal/host"
)

// addMetadata opens the metadata endpoints of Config.Metadata. Each endpoint is served by the same agent
// that runs on hosts. It enrolls and sends its requests to the server over TLS, as on any other host.
func (s *Server) addMetadata(ctx context.Context, names []string) error {
	for _, m := range s.cfg.Metadata {
		endpoints := []agent.EndpointConfig{{Flavour: "imds", Listen: m.Listen, Setting: "metadata", Unlimited: m.Unlimited}}
		if g := m.Google; g.Listen != "" {
			endpoints = append(endpoints, agent.EndpointConfig{
				Flavour: "google", Listen: g.Listen, Setting: "metadata: google.listen", Unlimited: m.Unlimited, Audience: g.Audience,
			})
		}
		for _, e := range endpoints {
			if !private(e.Listen) {
				s.warnings = append(s.warnings, "the metadata endpoint at "+e.Listen+" can be reached from other machines, and whoever reaches it gets the tokens of "+m.Resource)
			}
		}
		id, err := arm.ParseID(m.Resource)
		if err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
		a, err := agent.Open(ctx, agent.ServerConfig{
			Enroll:    func(ctx context.Context) (agent.Credential, error) { return s.enroll(ctx, id) },
			Endpoints: endpoints,
			Now:       s.clock.Func(),
			Names:     names, Listener: s.limit.Listener, HTTP: s.options(nil), Log: s.log.With("resource", m.Resource),
		})
		if err != nil {
			return err
		}
		s.resources.Add(a)
		s.agents = append(s.agents, a)
	}
	return nil
}

// private tells whether only this machine can reach an address.
func private(listen string) bool {
	name, _, _ := net.SplitHostPort(listen) // Config.check has returned its error
	ip, err := netip.ParseAddr(name)
	return host.IsLoopback(name) || err == nil && ip.IsLinkLocalUnicast()
}

// enroll enrolls an agent of this process as a host of a resource. It creates the enrollment token in this
// process, without the ARM API; everything else goes over the network, as for every host.
func (s *Server) enroll(ctx context.Context, id arm.ID) (agent.Credential, error) {
	roots, err := os.ReadFile(s.caFile) // read each time, because the CA may have been renewed
	if err != nil {
		return agent.Credential{}, fmt.Errorf("read the local CA: %w", err)
	}
	action := string(fleet.Type) + "/enroll/action"
	token, err := s.services.fleet.NewEnrollmentToken(ctx, activity.Event{
		TenantID: s.services.admin.TenantID, SubscriptionID: arm.Fold(id.Subscription()), ResourceGroup: id.ResourceGroup(),
		ResourceID: id.String(), ResourceType: string(id.Type()), Operation: action, Caller: "midas serve --metadata",
	}, id)
	if arm.IsNotFound(err) {
		return agent.Credential{}, fmt.Errorf("%w: %w", host.ErrRevoked, err) // the agent tries again, because the resource may be created later
	}
	if err != nil {
		return agent.Credential{}, err
	}
	return agent.Enroll(ctx, agent.Enrollment{
		Server: "https://" + s.address, Roots: string(roots), Token: token.Token, Resource: id.String(),
	})
}

// MetadataURLs are the URLs of the endpoints of Config.Metadata, in the same order.
func (s *Server) MetadataURLs() []string {
	var urls []string
	for _, a := range s.agents {
		urls = append(urls, a.URLs()...)
	}
	return urls
}
