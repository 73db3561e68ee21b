package wire

import (
	"midas/internal/arm"
	"midas/internal/fleet"
	"midas/internal/host"
)

// Host is a machine that acts for a resource.
type Host struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Type       arm.Type       `json:"type"`
	Properties HostProperties `json:"properties"`
}

// HostProperties are the properties of a host.
type HostProperties struct {
	ResourceID      string `json:"resourceId"`
	EnrolledOn      string `json:"admittedOn"`
	EnrolledFrom    string `json:"admittedFrom"`
	CertificateEnds string `json:"certificateEnds"`
}

// EncodeHost encodes a host.
func EncodeHost(h fleet.Host) Host {
	return Host{
		ID: h.Resource + "/providers/" + string(fleet.Type) + "/" + h.ID, Name: h.ID, Type: fleet.Type,
		Properties: HostProperties{
			ResourceID: h.Resource, EnrolledOn: arm.Time(h.Enrolled), EnrolledFrom: h.Address,
			CertificateEnds: arm.Time(h.Ends),
		},
	}
}

// EnrollmentToken is a token with which one host can be enrolled.
type EnrollmentToken struct {
	ResourceID string      `json:"resourceId"`
	Token      host.Secret `json:"token"`
	ExpiresOn  string      `json:"expiresOn"`
}

// EncodeEnrollmentToken encodes an enrollment token.
func EncodeEnrollmentToken(i fleet.EnrollmentToken) EnrollmentToken {
	return EnrollmentToken{ResourceID: i.Resource, Token: i.Token, ExpiresOn: arm.Time(i.Ends)}
}
