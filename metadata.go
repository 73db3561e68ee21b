package midas

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/agent"
	"midas/internal/api/metadata"
	"midas/internal/arm"
	"midas/internal/fleet"
	"midas/internal/host"
)

// addMetadata opens the metadata endpoints of Config.Metadata. Behind each is the agent that hosts
// run, enrolled as they are and speaking to the server over TLS like them.
func (s *Server) addMetadata(ctx context.Context, names []string) error {
	if len(s.cfg.Metadata) == 0 {
		return nil
	}
	for _, m := range s.cfg.Metadata {
		listeners, err := s.listen(ctx, "metadata", m.Listen)
		if err != nil {
			return err
		}
		if !private(m.Listen) {
			s.warnings = append(s.warnings, "the metadata endpoint at "+m.Listen+" can be reached from other machines, and whoever reaches it gets the tokens of "+m.Resource)
		}
		id, err := arm.ParseID(m.Resource)
		if err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
		a, err := agent.New(agent.Config{
			Enroll: func(ctx context.Context) (agent.Credential, error) { return s.enroll(ctx, id) },
			Now:    time.Now, Log: s.log.With("resource", m.Resource),
		})
		if err != nil {
			return err
		}
		limit := metadata.IdentityLimit()
		if m.Unlimited {
			limit = metadata.Limit{}
		}
		face := metadata.NewIMDS(metadata.Config{
			Source: a, Hosts: names, Limit: limit, Now: time.Now, NewID: uuid.NewString, Interfaces: metadata.LocalInterfaces,
		})
		for i, l := range listeners {
			listeners[i] = s.limit.Listener(l)
		}
		s.agents = append(s.agents, a)
		s.metadata = append(s.metadata, "http://"+authority(m.Listen, listeners[0]))
		s.serving = append(s.serving, serving{Server: s.http(face, nil), listeners: listeners})
	}
	return nil
}

// private tells whether an address is one that only this machine has.
func private(listen string) bool {
	host, _, _ := net.SplitHostPort(listen) // check has looked at it
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (ip.IsLoopback() || ip.IsLinkLocalUnicast())
}

// enroll makes an agent in this process a host of a resource: with an invitation, as whoever may
// invite would make it, and then over the network, as every host.
func (s *Server) enroll(ctx context.Context, id arm.ID) (agent.Credential, error) {
	roots, err := os.ReadFile(s.caFile) // each time, because it may be issued anew
	if err != nil {
		return agent.Credential{}, fmt.Errorf("read the local CA: %w", err)
	}
	action := string(fleet.Type) + "/enroll/action"
	invitation, err := s.services.fleet.Invite(ctx, activity.Event{
		TenantID: s.services.admin.TenantID, SubscriptionID: arm.Fold(id.Subscription()), ResourceGroup: id.ResourceGroup(),
		ResourceID: id.String(), ResourceType: string(id.Type()), Operation: action, Caller: "midas serve --metadata",
	}, id)
	var missing *arm.Error
	if errors.As(err, &missing) && missing.Status == http.StatusNotFound {
		return agent.Credential{}, fmt.Errorf("%w: %w", host.ErrRevoked, err) // it may be created yet
	}
	if err != nil {
		return agent.Credential{}, err
	}
	return agent.Enroll(ctx, agent.Enrolment{
		Server: "https://" + s.address, Roots: string(roots), Token: invitation.Token, Resource: id.String(),
	})
}

// MetadataURLs are where the endpoints of Config.Metadata are reached, in its order.
func (s *Server) MetadataURLs() []string { return s.metadata }
