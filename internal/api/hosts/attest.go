package hosts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"midas/internal/host"
)

// attestedLife is how long a document is valid.
const attestedLife = 6 * time.Hour

// document is the content of an attested document, as Azure's metadata service signs it.
type document struct {
	License string `json:"licenseType"`
	Nonce   string `json:"nonce"`
	Plan    struct {
		Name      string `json:"name"`
		Product   string `json:"product"`
		Publisher string `json:"publisher"`
	} `json:"plan"`
	SKU          string `json:"sku"`
	Subscription string `json:"subscriptionId"`
	Time         struct {
		Created string `json:"createdOn"`
		Expires string `json:"expiresOn"`
	} `json:"timeStamp"`
	VMID string `json:"vmId"`
}

// attest signs a document about the host's resource. The server signs it and not the host, because the service
// that verifies the document may not trust the host.
func (h *Handler) attest(req *request) error {
	var in host.AttestRequest
	if err := req.decode(&in); err != nil {
		return err
	}
	if len(in.Nonce) > 32 {
		return badRequest(fmt.Errorf("a nonce of %d bytes", len(in.Nonce)))
	}
	instance, err := h.Fleet.Describe(req.r.Context(), req.host)
	if err != nil {
		return err
	}
	content, err := json.Marshal(newDocument(instance, in.Nonce, h.Now().UTC()))
	if err != nil {
		return fmt.Errorf("encode a document: %w", err)
	}
	signed, err := h.Documents.Sign(content)
	if err != nil {
		return err
	}
	return req.answer(host.AttestAnswer{Signature: signed})
}

func newDocument(in host.Instance, nonce string, now time.Time) document {
	const format = "01/02/06 15:04:05 -0000"
	d := document{Nonce: nonce, Subscription: in.SubscriptionID, VMID: in.UniqueID}
	if nonce == "" {
		d.Nonce = now.Format("20060102-150405")
	}
	d.Time.Created, d.Time.Expires = now.Format(format), now.Add(attestedLife).Format(format)
	if len(bytes.TrimSpace(in.Plan)) > 0 {
		_ = json.Unmarshal(in.Plan, &d.Plan) // a plan that cannot be read is left empty
	}
	var props struct {
		License string `json:"licenseType"`
		VMID    string `json:"vmId"`
		Storage struct {
			Image struct {
				SKU string `json:"sku"`
			} `json:"imageReference"`
		} `json:"storageProfile"`
	}
	if len(in.Properties) > 0 {
		_ = json.Unmarshal(in.Properties, &props) // properties that cannot be read are left empty
	}
	d.License, d.SKU = props.License, props.Storage.Image.SKU
	if props.VMID != "" {
		d.VMID = props.VMID
	}
	return d
}
