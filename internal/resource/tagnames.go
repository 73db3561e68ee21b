package resource

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// maxPredefined is the maximum number of predefined names and values of a subscription. All of them are one
// record, so that their number and their uniqueness need no other guard.
const maxPredefined = 1000

// PredefinedTag is a tag name that a subscription suggests, with the values that it suggests.
type PredefinedTag struct {
	Name   string   `json:"name"`
	Values []string `json:"values,omitempty"`
}

// predefinedTags are the predefined tags of a subscription.
type predefinedTags struct {
	Tags []PredefinedTag `json:"tags"`
}

var predefined = store.Table[predefinedTags]{Kind: store.PredefinedTagsKind}

func predefinedKey(subscription arm.ID) string {
	return store.PredefinedTagsKind.Keys + arm.Fold(subscription.Subscription())
}

// find returns the position of a name, or -1.
func (p *predefinedTags) find(name string) int {
	return slices.IndexFunc(p.Tags, func(t PredefinedTag) bool { return arm.SameName(t.Name, name) })
}

// number returns the number of names and values.
func (p *predefinedTags) number() int {
	n := len(p.Tags)
	for _, t := range p.Tags {
		n += len(t.Values)
	}
	return n
}

func errPredefinedLimit() error {
	return arm.Errorf(http.StatusBadRequest, "PredefinedTagLimitExceeded",
		"A subscription can have at most %d predefined tag names and values.", maxPredefined)
}

// TagNames returns a page of the tag names of a subscription: those that the subscription, its groups and its
// resources use, and the predefined ones. It reads all records of the subscription.
func (s *Service) TagNames(ctx context.Context, subscription arm.ID, after string, limit int) (names []TagName, next string, err error) {
	return s.countTags(ctx, subscription, tagCounter{after: after, limit: limit})
}

// tagName returns the count of one name.
func (s *Service) tagName(ctx context.Context, subscription arm.ID, name string) (TagName, error) {
	names, _, err := s.countTags(ctx, subscription, tagCounter{only: arm.Fold(name), limit: 1})
	if err != nil || len(names) == 0 {
		return TagName{Name: name, Values: []TagValue{}}, err
	}
	return names[0], nil
}

func (s *Service) countTags(ctx context.Context, subscription arm.ID, empty tagCounter) (names []TagName, next string, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		c := empty
		c.names = map[string]*countedName{}
		rec, err := s.Get(tx, subscription)
		if err != nil {
			return err
		}
		kept, err := predefined.Get(tx, predefinedKey(subscription))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		for _, tag := range kept.Tags {
			c.addPredefined(tag)
		}
		c.add(rec.Tags)
		for rec, err := range s.Nested(tx, subscription) {
			if err != nil {
				return err
			}
			c.add(rec.Tags)
		}
		names, next = c.page()
		return nil
	})
	return names, next, err
}

// checkPredefined applies ARM's rules for predefined tag names. Azure reserves some prefixes for its own names. Tags of
// resources can have them, because Azure's own services write such tags.
func checkPredefined(name string) error {
	for _, prefix := range []string{"microsoft", "azure", "windows"} {
		if strings.HasPrefix(arm.Fold(name), prefix) {
			return arm.Errorf(http.StatusBadRequest, "InvalidTagName", "The tag name '%s' begins with the reserved prefix '%s'.", name, prefix)
		}
	}
	return CheckTags(map[string]string{name: ""})
}

// PutTagName creates a predefined tag name unless it exists.
func (s *Service) PutTagName(ctx context.Context, ev activity.Event, subscription arm.ID, name string) (tag TagName, created bool, err error) {
	if err := checkPredefined(name); err != nil {
		return TagName{}, false, err
	}
	err = s.changePredefined(ctx, ev, subscription, func(p *predefinedTags) error {
		if created = p.find(name) < 0; !created {
			return nil
		}
		p.Tags = append(p.Tags, PredefinedTag{Name: name})
		return nil
	})
	if err != nil {
		return TagName{}, false, err
	}
	tag, err = s.tagName(ctx, subscription, name)
	return tag, created, err
}

// PutTagValue creates a value of a predefined tag name unless it exists.
func (s *Service) PutTagValue(ctx context.Context, ev activity.Event, subscription arm.ID, name, value string) (tag TagValue, created bool, err error) {
	if err := CheckTags(map[string]string{name: value}); err != nil {
		return TagValue{}, false, err
	}
	err = s.changePredefined(ctx, ev, subscription, func(p *predefinedTags) error {
		at := p.find(name)
		if at < 0 {
			return errPredefinedNotFound(name)
		}
		if created = !slices.Contains(p.Tags[at].Values, value); created {
			p.Tags[at].Values = append(slices.Clone(p.Tags[at].Values), value)
		}
		return nil
	})
	if err != nil {
		return TagValue{}, false, err
	}
	counted, err := s.tagName(ctx, subscription, name)
	return TagValue{Value: value, Count: counted.of(value)}, created, err
}

// of returns the number of resources that use a value.
func (t TagName) of(value string) int {
	if at := slices.IndexFunc(t.Values, func(v TagValue) bool { return v.Value == value }); at >= 0 {
		return t.Values[at].Count
	}
	return 0
}

// DeleteTagName deletes a predefined tag name. It returns an error if the name has predefined values, or if a
// resource uses it.
func (s *Service) DeleteTagName(ctx context.Context, ev activity.Event, subscription arm.ID, name string) (existed bool, err error) {
	used, err := s.tagName(ctx, subscription, name)
	if err != nil {
		return false, err
	}
	err = s.changePredefined(ctx, ev, subscription, func(p *predefinedTags) error {
		at := p.find(name)
		existed = at >= 0
		switch {
		case !existed:
			return nil
		case used.Count > 0:
			return errTagInUse("The tag name '%s' cannot be deleted. It is associated to one or more resources.", name)
		case len(p.Tags[at].Values) > 0:
			return errTagInUse("The tag name '%s' cannot be deleted. It has predefined values, which must be deleted before.", name)
		}
		p.Tags = slices.Delete(p.Tags, at, at+1)
		return nil
	})
	return existed, err
}

// DeleteTagValue deletes a value of a predefined tag name. It returns an error if the name does not exist, or if a
// resource uses the value.
func (s *Service) DeleteTagValue(ctx context.Context, ev activity.Event, subscription arm.ID, name, value string) (existed bool, err error) {
	used, err := s.tagName(ctx, subscription, name)
	if err != nil {
		return false, err
	}
	err = s.changePredefined(ctx, ev, subscription, func(p *predefinedTags) error {
		at := p.find(name)
		if at < 0 {
			return errPredefinedNotFound(name)
		}
		i := slices.Index(p.Tags[at].Values, value)
		if existed = i >= 0; !existed {
			return nil
		}
		if used.of(value) > 0 {
			return errTagInUse("The tag cannot be deleted. It is associated to one or more resources. Tag name '%s' and tag value '%s'.", name, value)
		}
		p.Tags[at].Values = slices.Delete(slices.Clone(p.Tags[at].Values), i, i+1)
		return nil
	})
	return existed, err
}

// changePredefined changes the predefined tags of a subscription, up to their maximum number.
func (s *Service) changePredefined(ctx context.Context, ev activity.Event, subscription arm.ID, change func(*predefinedTags) error) error {
	return s.Log.Update(ctx, ev, func(tx store.Tx) error {
		if _, err := s.Get(tx, subscription); err != nil {
			return err
		}
		key := predefinedKey(subscription)
		kept, err := predefined.Get(tx, key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		before := kept.number()
		if err := change(&kept); err != nil {
			return err
		}
		after := kept.number()
		switch {
		case after == before:
			return nil
		case after > maxPredefined:
			return errPredefinedLimit()
		case len(kept.Tags) == 0:
			tx.Delete(key)
			return nil
		}
		return predefined.Put(tx, key, kept)
	})
}

func errPredefinedNotFound(name string) error {
	return arm.Errorf(http.StatusNotFound, "PredefinedTagNameNotFound", "Predefined tag name '%s' could not be found.", name)
}

func errTagInUse(format string, args ...any) error {
	return arm.Errorf(http.StatusConflict, "TagInUse", format, args...)
}
