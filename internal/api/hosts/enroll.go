package hosts

import "midas/internal/host"

// enroll enrolls a host that sends an enrollment token.
func (h *Handler) enroll(x *exchange) error {
	var in host.EnrollRequest
	if err := x.decode(&in); err != nil {
		return err
	}
	enrollment, err := h.Fleet.Enroll(x.r.Context(), in.Token, []byte(in.Request), x.ev.ClientIP)
	if err != nil {
		return err
	}
	x.ev.Caller = enrollment.Host.ID
	return x.answer(host.EnrollAnswer{Resource: enrollment.Host.Resource, Certificate: string(enrollment.Certificate)})
}

// renew issues a certificate for a new key of a host.
func (h *Handler) renew(x *exchange) error {
	var in host.RenewRequest
	if err := x.decode(&in); err != nil {
		return err
	}
	enrollment, err := h.Fleet.Renew(x.r.Context(), x.host, []byte(in.Request))
	if err != nil {
		return err
	}
	return x.answer(host.EnrollAnswer{Resource: enrollment.Host.Resource, Certificate: string(enrollment.Certificate)})
}
