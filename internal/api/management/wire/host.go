package wire

import (
	"midas/internal/arm"
	"midas/internal/fleet"
	"midas/internal/host"
)

// Host is a machine that speaks for a resource.
type Host struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Type       arm.Type       `json:"type"`
	Properties HostProperties `json:"properties"`
}

// HostProperties are what is known of a host.
type HostProperties struct {
	ResourceID      string `json:"resourceId"`
	EnrolledOn      string `json:"admittedOn"`
	EnrolledFrom    string `json:"admittedFrom"`
	CertificateEnds string `json:"certificateEnds"`
}

// EncodeHost shows a host.
func EncodeHost(h fleet.Host) Host {
	return Host{
		ID: h.Resource + "/providers/" + string(fleet.Type) + "/" + h.ID, Name: h.ID, Type: fleet.Type,
		Properties: HostProperties{
			ResourceID: h.Resource, EnrolledOn: arm.Time(h.Enrolled), EnrolledFrom: h.Address,
			CertificateEnds: arm.Time(h.Ends),
		},
	}
}

// Invitation is a token with which one host can be enrolled.
type Invitation struct {
	ResourceID string      `json:"resourceId"`
	Token      host.Secret `json:"token"`
	ExpiresOn  string      `json:"expiresOn"`
}

// EncodeInvitation shows an invitation.
func EncodeInvitation(i fleet.Invitation) Invitation {
	return Invitation{ResourceID: i.Resource, Token: i.Token, ExpiresOn: arm.Time(i.Ends)}
}
