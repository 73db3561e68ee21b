//go:build cluster

package etcd

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"midas/internal/store"
)

// errPage means that a page of a scan is larger than answerBytes.
var errPage = errors.New("etcd: the answer is too large")

// meaning turns an error of etcd's client into one of the store's. parent is the context of the caller, whose end
// is an error of its own.
func (e *Engine) meaning(parent context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(parent.Err(), context.Canceled):
		return parent.Err()
	case e.ctx.Err() != nil:
		return store.ErrClosed
	case errors.Is(err, rpctypes.ErrCompacted), errors.Is(err, rpctypes.ErrFutureRev):
		return store.ErrStale
	case tooLargeAnswer(err):
		return errPage
	case errors.Is(err, rpctypes.ErrRequestTooLarge):
		return fmt.Errorf("etcd's --max-request-bytes is less than 1.5 MiB: %w: %w", store.ErrTooLarge, err)
	case errors.Is(err, rpctypes.ErrTooManyOps):
		return fmt.Errorf("etcd's --max-txn-ops is less than 128: %w: %w", store.ErrTooLarge, err)
	case errors.Is(err, rpctypes.ErrNoSpace):
		e.pressure.noSpace(true)
		return fmt.Errorf("etcd has reached its quota (alarm NOSPACE): %w", store.ErrUnavailable)
	}
	if parent.Err() != nil {
		return fmt.Errorf("etcd: %w: %w", store.ErrUnavailable, parent.Err())
	}
	return fmt.Errorf("etcd: %w: %w", store.ErrUnavailable, err)
}

// again reports whether a read that failed may be sent again to another member: after its own time limit, or
// after an answer that another member may not give.
func again(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	switch code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Unauthenticated:
		return true
	}
	return errors.Is(err, rpctypes.ErrAuthOldRevision) // the permissions have changed meanwhile
}

// code returns the gRPC code of an error of etcd's client.
func code(err error) codes.Code {
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		return known.Code()
	}
	return status.Code(err)
}

// tooLargeAnswer reports whether gRPC has refused an answer because of answerBytes. etcd's own errors with the
// same code have the type EtcdError.
func tooLargeAnswer(err error) bool {
	var known rpctypes.EtcdError
	return !errors.As(err, &known) && status.Code(err) == codes.ResourceExhausted
}

// isRefusal reports whether etcd or its client has refused a Txn for what it contains, so that it has changed nothing,
// and its parts may be accepted.
func isRefusal(err error) bool {
	switch {
	case errors.Is(err, rpctypes.ErrRequestTooLarge), errors.Is(err, rpctypes.ErrTooManyOps):
		return true
	case code(err) == codes.InvalidArgument, code(err) == codes.PermissionDenied:
		return true
	}
	return tooLargeAnswer(err) // the client itself has refused to send it
}
