package hosts

import "midas/internal/host"

// enroll enrolls a host that sends an enrollment token.
func (h *Handler) enroll(req *request) error {
	var in host.EnrollRequest
	if err := req.decode(&in); err != nil {
		return err
	}
	enrollment, err := h.Fleet.Enroll(req.r.Context(), in.Token, []byte(in.Request), req.ev.ClientIP)
	if err != nil {
		return err
	}
	req.ev.Caller = enrollment.Host.ID
	return req.answer(host.EnrollAnswer{Resource: enrollment.Host.Resource, Certificate: string(enrollment.Certificate)})
}

// renew issues a certificate for a new key of a host.
func (h *Handler) renew(req *request) error {
	var in host.RenewRequest
	if err := req.decode(&in); err != nil {
		return err
	}
	enrollment, err := h.Fleet.Renew(req.r.Context(), req.host, []byte(in.Request))
	if err != nil {
		return err
	}
	return req.answer(host.EnrollAnswer{Resource: enrollment.Host.Resource, Certificate: string(enrollment.Certificate)})
}
