package graph_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/throttle"
)

// caller creates a user and a token of it.
func (s *stack) caller(t testing.TB, name string) {
	t.Helper()
	s.user(t, name)
	c := s.callers["member"]
	c.Subject, c.ObjectID, c.AppID = s.names[name], s.names[name], s.names[name]
	s.callers[name] = c
}

// A stolen token does not allow more password guesses than the sign-in page.
func TestChangingAPasswordIsThrottled(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	s := newStackAt(t, func() time.Time { return now })
	s.caller(t, "ann")
	s.caller(t, "bob")
	guess := func(i int) string {
		return fmt.Sprintf(`{"currentPassword":"Guess-%d","newPassword":"Next-12345"}`, i)
	}
	tried := 0
	for i := range 200 {
		w := s.send(t, "ann", "POST", "me/changePassword", guess(i))
		if w.Code == 429 {
			if after, err := strconv.Atoi(w.Header().Get("Retry-After")); err != nil || after < 1 {
				t.Errorf("Retry-After: %q", w.Header().Get("Retry-After"))
			}
			if decode(t, w).error() != "TooManyRequests" {
				t.Error(w.Body)
			}
			continue
		}
		if w.Code != 400 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		tried++
	}
	if tried == 0 || tried > 20 {
		t.Errorf("%d guesses were accepted", tried)
	}
	s.want(t, 429, "ann", "POST", "me/changePassword", `{"currentPassword":"Test1234!!","newPassword":"Next-12345"}`)
	s.want(t, 204, "bob", "POST", "me/changePassword", `{"currentPassword":"Test1234!!","newPassword":"Next-12345"}`)
	now = now.Add(time.Hour)
	s.want(t, 204, "ann", "POST", "me/changePassword", `{"currentPassword":"Test1234!!","newPassword":"Next-12345"}`)
}

// A change with the right current password does not count against the limits.
func TestRightPasswordsAreNotThrottled(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	s := newStackAt(t, func() time.Time { return now })
	s.caller(t, "ann")
	password := "Test1234!!"
	for i := range 30 {
		next := fmt.Sprintf("Next-1234-%d", i)
		s.want(t, 204, "ann", "POST", "me/changePassword", `{"currentPassword":"`+password+`","newPassword":"`+next+`"}`)
		password, now = next, now.Add(time.Second)
	}
}

// A password that an administrator sets between check and change is not overwritten.
func TestConcurrentResetIsNotOverwritten(t *testing.T) {
	s := newStack(t)
	s.caller(t, "ann")
	shown, err := s.directory.CheckPassword(t.Context(), tenant, s.names["ann"], "Test1234!!", throttle.Waiter{})
	must(t, err)
	s.want(t, 204, "ga", "PATCH", "users/{ann}", `{"passwordProfile":{"password":"Reset-1234"}}`)
	mine, err := s.directory.HashPassword(t.Context(), "Mine-12345", throttle.Waiter{})
	must(t, err)
	_, err = s.store.Update(t.Context(), func(tx store.Tx) error {
		return s.directory.ChangePassword(tx, tenant, s.names["ann"], shown, mine)
	})
	if !errors.Is(err, directory.ErrWrongPassword) {
		t.Error(err)
	}
	_, err = s.directory.CheckPassword(t.Context(), tenant, s.names["ann"], "Reset-1234", throttle.Waiter{})
	must(t, err)
}
