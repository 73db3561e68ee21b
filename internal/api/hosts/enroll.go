package hosts

import "midas/internal/host"

// enroll admits a host that shows an invitation.
func (h *Handler) enroll(x *exchange) error {
	var in host.EnrollRequest
	if err := x.decode(&in); err != nil {
		return err
	}
	admission, err := h.Fleet.Admit(x.r.Context(), in.Token, []byte(in.Request), x.ev.ClientIP)
	if err != nil {
		return err
	}
	x.ev.Caller = admission.Host.ID
	return x.answer(host.Admission{Resource: admission.Host.Resource, Certificate: string(admission.Certificate)})
}

// renew certifies a new key of a host.
func (h *Handler) renew(x *exchange) error {
	var in host.RenewRequest
	if err := x.decode(&in); err != nil {
		return err
	}
	admission, err := h.Fleet.Renew(x.r.Context(), x.host, []byte(in.Request))
	if err != nil {
		return err
	}
	return x.answer(host.Admission{Resource: admission.Host.Resource, Certificate: string(admission.Certificate)})
}
