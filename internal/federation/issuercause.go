package federation

import (
	"context"
	"errors"
	"fmt"
	"net"

	"midas/internal/outbound"
)

// Cause returns why an issuer was not verified, in words for those who administer the identity. Unlike Detail it tells
// neither addresses nor names of the server's network, nor whether an internal name exists. It is empty if Reason says
// all.
func (e *IssuerError) Cause() string {
	var status *outbound.StatusError
	var address *outbound.AddressError
	var name *net.DNSError
	switch {
	case e.Detail == nil:
		return ""
	case e.Reason == Document:
		return e.Detail.Error() // from the content of the issuer's own documents
	case e.Reason != Unreachable:
		return ""
	case errors.Is(e.Detail, errBusy):
		return errBusy.Error()
	case errors.Is(e.Detail, errCrowd):
		return errCrowd.Error()
	case errors.As(e.Detail, &status):
		return fmt.Sprintf("its server answered with status %d", status.Status)
	case errors.Is(e.Detail, outbound.ErrTooLarge), errors.Is(e.Detail, outbound.ErrEncoded):
		return "the answer of its server is too large or compressed"
	case errors.As(e.Detail, &address), errors.As(e.Detail, &name):
		return "its host has no address that the server may ask"
	case errors.Is(e.Detail, context.DeadlineExceeded):
		return "its server did not answer in time"
	}
	return "its server cannot be asked for the documents"
}
