package resource

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

const maxGroupName = 90

// WriteGroup creates or changes a resource group. The function change receives the current record, which is
// zero for a new group, and returns the wanted one, of which only Location, Tags and Extra are used.
func (s *Service) WriteGroup(ctx context.Context, ev activity.Event, id arm.ID, change func(old Record) (Record, error)) (rec Record, created bool, err error) {
	if err := checkGroupName(id.Name()); err != nil {
		return Record{}, false, err
	}
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		subscription, err := s.Get(tx, id.SubscriptionScope())
		if err != nil {
			return err
		}
		s.PresumeNew(tx, id)
		old, err := s.read(tx, recordKey(id))
		created = errors.Is(err, store.ErrNotFound)
		if err != nil && !created {
			return err
		}
		if old.State == Deleting {
			return errGroupDeleting(id)
		}
		wanted, err := change(old.Clone())
		if err != nil {
			return err
		}
		rec, err = s.mergeGroup(id, subscription, old, wanted)
		if err != nil {
			return err
		}
		return s.Put(tx, id, rec)
	})
	return rec, created, err
}

func (s *Service) mergeGroup(id arm.ID, subscription, old, wanted Record) (Record, error) {
	if err := CheckTags(wanted.Tags); err != nil {
		return Record{}, err
	}
	now := s.Now().UTC()
	if old.ID == "" {
		if wanted.Location == "" {
			return Record{}, arm.ErrLocationRequired()
		}
		if err := CheckLocation(wanted.Location, arm.TypeResourceGroup); err != nil {
			return Record{}, err
		}
		old = Record{
			ID:   "/subscriptions/" + id.Subscription() + "/resourceGroups/" + id.Name(), // the Azure CLI spells "resourcegroups"
			Type: arm.TypeResourceGroup, Name: id.Name(), State: Succeeded,
			TenantID: subscription.TenantID, Location: arm.Location(wanted.Location), Created: now,
		}
	}
	if wanted.Location != "" && arm.Location(wanted.Location) != old.Location {
		return Record{}, arm.Errorf(http.StatusConflict, "InvalidResourceGroupLocation",
			"Invalid resource group location '%s'. The Resource group already exists in location '%s'.",
			wanted.Location, old.Location)
	}
	old.Tags, old.Extra, old.Changed = wanted.Tags, wanted.Extra, now
	return old, nil
}

// PatchGroup changes an existing group. If it does not exist, the error is ARM's not-found error.
func (s *Service) PatchGroup(ctx context.Context, ev activity.Event, id arm.ID, change func(old Record) (Record, error)) (Record, error) {
	rec, _, err := s.WriteGroup(ctx, ev, id, func(old Record) (Record, error) {
		if old.ID == "" {
			return Record{}, arm.ErrResourceGroupNotFound(id.Name())
		}
		return change(old)
	})
	return rec, err
}

func errGroupDeleting(id arm.ID) error {
	return arm.Errorf(http.StatusConflict, "ResourceGroupBeingDeleted",
		"The resource group '%s' is in deprovisioning state and cannot perform this operation.", id.ResourceGroup())
}

// CheckGroupName returns an error if ARM refuses a name of a resource group.
func CheckGroupName(name string) error { return checkGroupName(name) }

// checkGroupName applies ARM's rule: at most 90 letters, digits and -_(). that do not end in a dot.
func checkGroupName(name string) error {
	bad := strings.IndexFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_().", r)
	})
	switch {
	case utf8.RuneCountInString(name) > maxGroupName:
		return arm.Errorf(http.StatusBadRequest, "InvalidParameter",
			"The resource group name '%s' exceeds the maximum length of %d characters.", name, maxGroupName)
	case bad >= 0 || strings.HasSuffix(name, "."):
		return arm.Errorf(http.StatusBadRequest, "InvalidResourceGroup",
			"The resource group name '%s' may hold only letters, digits, '-', '_', '(', ')' and '.', and may not end with '.'.", name)
	}
	return nil
}
