package hierarchy

import (
	"context"
	"net/http"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// SettingsChange is a change of the hierarchy settings. Nil keeps a setting.
type SettingsChange struct {
	RequireAuthorization *bool
	DefaultGroup         *string // the name of a group; empty means the root group
	Replace              bool    // what is nil gets its default
	MustExist            bool
}

// Settings returns the settings of a tenant.
func (s *Service) Settings(ctx context.Context, tenant string) (settings Settings, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		settings, err = s.ReadSettings(tx, tenant)
		return err
	})
	return settings, err
}

// ReadSettings is Settings in the transaction of a caller.
func (s *Service) ReadSettings(tx store.Tx, tenant string) (Settings, error) {
	t, err := readTree(tx, tenant)
	return t.Settings, err
}

// ChangeSettings changes the settings of a tenant.
func (s *Service) ChangeSettings(ctx context.Context, ev activity.Event, tenant string, c SettingsChange) (settings Settings, err error) {
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		t, err := lockTree(tx, tenant)
		if err != nil {
			return err
		}
		if c.MustExist && !t.Settings.Set {
			return ErrSettingsNotFound(tenant)
		}
		if c.Replace {
			t.Settings = Settings{}
		}
		t.Settings.Set = true
		if c.RequireAuthorization != nil {
			t.Settings.RequireAuthorization = *c.RequireAuthorization
		}
		if c.DefaultGroup != nil {
			if t.Settings.DefaultGroup, err = s.defaultGroup(tx, tenant, *c.DefaultGroup); err != nil {
				return err
			}
		}
		settings = t.Settings
		return t.save(tx, tenant)
	})
	return settings, err
}

// defaultGroup returns the folded name of an existing group, or nothing for the root group.
func (s *Service) defaultGroup(tx store.Tx, tenant, name string) (string, error) {
	if name == "" || arm.SameName(name, tenant) {
		return "", nil
	}
	g, err := s.parent(tx, tenant, name)
	return arm.Fold(g.Name), err
}

// DeleteSettings resets the settings of a tenant. It reports whether they were set.
func (s *Service) DeleteSettings(ctx context.Context, ev activity.Event, tenant string) (existed bool, err error) {
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		t, err := lockTree(tx, tenant)
		if existed = t.Settings.Set; err != nil || !existed {
			return err
		}
		t.Settings = Settings{}
		return t.save(tx, tenant)
	})
	return existed, err
}

// ErrSettingsNotFound is the 404 for settings that were never set.
func ErrSettingsNotFound(group string) *arm.Error {
	return refusal(http.StatusNotFound, "NotFound", "'/providers/%s/%s/settings/default' not found", Type, arm.Clip(group))
}

// ErrSettingsNotAtRoot is the 400 for settings of another group than the root group.
func ErrSettingsNotAtRoot(group string) *arm.Error {
	return refusal(http.StatusBadRequest, "BadRequest", "Only the root management group has settings, and '%s' is not it.", arm.Clip(group))
}
