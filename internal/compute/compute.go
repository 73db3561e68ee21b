// Package compute implements what virtual machines, scale sets and Azure Arc machines have beyond other
// resources: virtual machines and Arc machines get a unique id, and a uniform scale set has as many
// machines as its capacity says.
//
// Midas starts no machines. A machine is an ARM resource for which a real host enrolls, and programs on the
// host get tokens for the identities of the machine. The machines of a scale set are nested resources that
// Midas creates and deletes. The number of a deleted machine is not used again, so a host that was enrolled
// for it cannot act for a later machine.
package compute

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/resource"
)

// The resource types of this package.
const (
	VirtualMachine arm.Type = "Microsoft.Compute/virtualMachines"
	ScaleSet       arm.Type = "Microsoft.Compute/virtualMachineScaleSets"
	Instance       arm.Type = identity.ScaleSetInstance
	Machine        arm.Type = "Microsoft.HybridCompute/machines"
)

// Types returns the resource types of this package, as they are registered.
func Types() []arm.Type { return []arm.Type{VirtualMachine, ScaleSet, Instance, Machine} }

// Service implements the rules of machines and scale sets. All fields must be set.
type Service struct {
	Resources *resource.Service
	Now       func() time.Time
	NewID     func() string
}

// fields are the members of a JSON object: a record's properties or one of its Extra fields.
type fields map[string]json.RawMessage

func fieldsOf(raw json.RawMessage) (fields, error) {
	f := fields{}
	if len(raw) == 0 {
		return f, nil
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("decode properties: %w", err)
	}
	if f == nil {
		f = fields{}
	}
	return f, nil
}

func (f fields) encode() (json.RawMessage, error) {
	raw, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode properties: %w", err)
	}
	return raw, nil
}

func (f fields) set(name, value string) {
	f[name], _ = json.Marshal(value) // a string can always be encoded
}

// text returns a field that is a string; empty if the field is missing or is not a string.
func (f fields) text(name string) (s string) {
	_ = json.Unmarshal(f[name], &s)
	return s
}

// Virtual sets the properties of a virtual machine that clients cannot choose: the id and the time of creation.
func (s *Service) Virtual(old, wanted resource.Record) (resource.Record, error) {
	wanted, err := s.SealUserData(wanted)
	if err != nil {
		return wanted, err
	}
	return s.own(old, wanted, "vmId", "instanceView")
}

// Hybrid sets the id and the time of creation of an Azure Arc machine.
func (s *Service) Hybrid(old, wanted resource.Record) (resource.Record, error) {
	return s.own(old, wanted, "vmId")
}

// own keeps the id and the time of creation of the old record, or generates them, and removes the read-only
// fields.
func (s *Service) own(old, wanted resource.Record, id string, readOnly ...string) (resource.Record, error) {
	was, err := fieldsOf(old.Properties)
	if err != nil {
		return wanted, err
	}
	is, err := fieldsOf(wanted.Properties)
	if err != nil {
		return wanted, err
	}
	for _, name := range readOnly {
		delete(is, name)
	}
	for name, made := range map[string]string{id: s.NewID(), "timeCreated": s.Now().UTC().Format(time.RFC3339Nano)} {
		if kept, given := was[name]; given {
			is[name] = kept
		} else {
			is.set(name, made)
		}
	}
	wanted.Properties, err = is.encode()
	return wanted, err
}

// status is an entry of an instance view.
type status struct {
	Code    string `json:"code"`
	Level   string `json:"level"`
	Display string `json:"displayStatus"`
	Time    string `json:"time,omitempty"`
}

// View returns the instance view of a machine, or of a machine of a scale set. Its state is always provisioned
// and running.
func View(rec resource.Record) map[string]any {
	return map[string]any{"statuses": []status{
		{"ProvisioningState/succeeded", "Info", "Provisioning succeeded", rec.Changed.UTC().Format(time.RFC3339Nano)},
		{"PowerState/running", "Info", "VM running", ""},
	}}
}

// ScaleSetView returns the instance view of a scale set: the number of its machines by state.
func ScaleSetView(rec resource.Record, machines int) map[string]any {
	summary := []map[string]any{}
	if machines > 0 {
		summary = append(summary, map[string]any{"code": "ProvisioningState/succeeded", "count": machines})
	}
	return map[string]any{
		"virtualMachine": map[string]any{"statusesSummary": summary},
		"statuses": []status{
			{"ProvisioningState/succeeded", "Info", "Provisioning succeeded", rec.Changed.UTC().Format(time.RFC3339Nano)},
		},
	}
}

// WithView adds the instance view to a machine's properties, for $expand=instanceView.
func WithView(rec resource.Record) (resource.Record, error) {
	is, err := fieldsOf(rec.Properties)
	if err != nil {
		return rec, err
	}
	if is["instanceView"], err = json.Marshal(View(rec)); err != nil {
		return rec, fmt.Errorf("encode instance view: %w", err)
	}
	rec.Properties, err = is.encode()
	return rec, err
}

func errInvalid(target, format string, args ...any) error {
	err := arm.Errorf(http.StatusBadRequest, "InvalidParameter", format, args...)
	err.Target, err.Backend = target, true
	return err
}
