package compute

import (
	"encoding/json"
	"fmt"
	"strconv"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/resource"
	"midas/internal/store"
)

const maxCapacity = 1000 // machines of one scale set, as in Azure

const (
	uniform  = "Uniform"
	flexible = "Flexible"
)

// Set sets the id of a scale set. It returns an error if the capacity is not valid, or if the orchestration
// mode is not valid or differs from that of the old record.
func (s *Service) Set(old, wanted resource.Record) (resource.Record, error) {
	wanted, err := s.SealUserData(wanted)
	if err != nil {
		return wanted, err
	}
	wanted, err = s.own(old, wanted, "uniqueId")
	if err != nil {
		return wanted, err
	}
	is, err := fieldsOf(wanted.Properties)
	if err != nil {
		return wanted, err
	}
	mode := uniform
	if given := is.text("orchestrationMode"); given != "" {
		mode = given
	}
	switch {
	case arm.SameName(mode, uniform):
		mode = uniform
	case arm.SameName(mode, flexible):
		mode = flexible
	default:
		return wanted, errInvalid("orchestrationMode", "The value '%.100s' of parameter orchestrationMode is invalid. It must be Uniform or Flexible.", mode)
	}
	if had := modeOf(old); old.Type != "" && !old.Created.IsZero() && had != mode {
		return wanted, errInvalid("orchestrationMode", "Changing property 'orchestrationMode' is not allowed.")
	}
	if n, err := capacityOf(wanted); err != nil || n < 0 || n > maxCapacity {
		return wanted, errInvalid("sku.capacity", "The sku.capacity of a scale set must be a number from 0 to %d.", maxCapacity)
	}
	is.set("orchestrationMode", mode)
	wanted.Properties, err = is.encode()
	return wanted, err
}

// CheckSetIdentity refuses a system-assigned identity for a flexible scale set, as Azure does: the machines
// of such a set are virtual machines with their own identities.
func CheckSetIdentity(wanted resource.Record, a identity.IdentityChange) error {
	if !a.Keep && modeOf(wanted) == flexible && (a.Type == identity.SystemAssigned || a.Type == identity.Both) {
		return errInvalid("identity", "A scale set with flexible orchestration mode cannot have a system-assigned identity.")
	}
	return nil
}

func modeOf(rec resource.Record) string {
	is, err := fieldsOf(rec.Properties)
	if err == nil && arm.SameName(is.text("orchestrationMode"), flexible) {
		return flexible
	}
	return uniform
}

// capacityOf returns the capacity of a scale set: the number of machines that it shall have.
func capacityOf(rec resource.Record) (n int, err error) {
	sku, err := fieldsOf(rec.Extra["sku"])
	if err != nil || len(sku["capacity"]) == 0 {
		return 0, err
	}
	if err := json.Unmarshal(sku["capacity"], &n); err != nil {
		return 0, fmt.Errorf("read the capacity: %w", err)
	}
	return n, nil
}

// putInstance creates the machine with number n of a set.
func (s *Service) putInstance(tx store.Tx, set arm.ID, of resource.Record, n int) error {
	id, err := set.Child(Instance, strconv.Itoa(n))
	if err != nil {
		return fmt.Errorf("name machine %d of %s: %w", n, set, err)
	}
	now := s.Now().UTC()
	rec := resource.Record{
		ID: of.ID + "/virtualMachines/" + strconv.Itoa(n), Type: Instance, Name: of.Name + "_" + strconv.Itoa(n),
		TenantID: of.TenantID, Location: of.Location, State: resource.Succeeded, Created: now, Changed: now,
		Extra: map[string]json.RawMessage{"instanceId": json.RawMessage(strconv.Quote(strconv.Itoa(n)))},
	}
	if rec, err = followed(rec, of); err != nil {
		return err
	}
	p := fields{"latestModelApplied": json.RawMessage("true")}
	if p["osProfile"], err = json.Marshal(map[string]string{"computerName": computerPrefix(of) + fmt.Sprintf("%06d", n)}); err != nil {
		return fmt.Errorf("encode the computer's name: %w", err)
	}
	if rec.Properties, err = p.encode(); err != nil {
		return err
	}
	if rec, err = s.own(resource.Record{}, rec, "vmId"); err != nil {
		return err
	}
	return s.Resources.Put(tx, id, rec)
}

// computerPrefix returns the prefix of the host names of a set's machines.
func computerPrefix(set resource.Record) string {
	var p struct {
		Profile struct {
			OS struct {
				Prefix string `json:"computerNamePrefix"`
			} `json:"osProfile"`
		} `json:"virtualMachineProfile"`
	}
	if err := json.Unmarshal(set.Properties, &p); err == nil && p.Profile.OS.Prefix != "" {
		return p.Profile.OS.Prefix
	}
	return arm.Fold(set.Name)
}
