//go:build cluster

package cluster

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestAPanicOfAnEndingMemberIsAnAnswer: the process must end with the reason, such as its removal.
func TestAPanicOfAnEndingMemberIsAnAnswer(t *testing.T) {
	call := func(ending bool) (err error) {
		_, err = whileEnding(func() bool { return ending })(t.Context(), nil, nil, func(context.Context, any) (any, error) { panic("closed") })
		return err
	}
	if err := call(true); status.Code(err) != codes.Unavailable {
		t.Errorf("%v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a panic of a member that runs is hidden")
		}
	}()
	_ = call(false)
}
