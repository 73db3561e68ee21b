//go:build cluster

package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coreos/go-semver/semver"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/status"
)

// oldest is the oldest etcd that works: 3.3 has no learners, and its watches lose events that are fragmented.
var oldest = semver.Version{Major: 3, Minor: 4}

// usable returns a sentence that says why members with these answers cannot be used.
func usable(c Config, found []health) error {
	var failed []error
	learners := 0
	clusters := make(map[uint64]string)
	for i, h := range found {
		if h.status == nil {
			failed = append(failed, h.err)
			continue
		}
		if err := checkVersion(c.Endpoints[i], h.status.Version); err != nil {
			return err
		}
		if h.status.IsLearner {
			learners++
		}
		clusters[h.status.Header.GetClusterId()] = c.Endpoints[i]
		if len(clusters) > 1 {
			return fmt.Errorf("the endpoints %s belong to different clusters of etcd", strings.Join(c.Endpoints, ", "))
		}
	}
	switch len(found) {
	case len(failed):
		return explain(c, errors.Join(failed...))
	case len(failed) + learners:
		return fmt.Errorf("%s: the member is a learner, which takes no requests: name members that vote", strings.Join(c.Endpoints, ", "))
	}
	return nil
}

func checkVersion(endpoint, version string) error {
	v, err := semver.NewVersion(version)
	if err != nil {
		return fmt.Errorf("%s: etcd has the version %q, which cannot be compared: %w", endpoint, version, err)
	}
	if v.LessThan(oldest) {
		return fmt.Errorf("%s: etcd %s is too old: Midas needs etcd 3.4 or newer", endpoint, version)
	}
	return nil
}

// checkAccess checks that the user may read and write all keys. The compare never holds, so nothing is written,
// but etcd checks the permissions for all operations, and needs a majority of its members.
func (e *Engine) checkAccess(parent context.Context, c Config) error {
	ctx, cancel := context.WithTimeout(parent, callTimeout)
	defer cancel()
	all := clientv3.WithRange(clientv3.GetPrefixRangeEnd(e.prefix))
	_, err := e.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(e.head), "<", 0)).
		Then(clientv3.OpPut(e.head, ""), clientv3.OpDelete(e.prefix, clientv3.WithPrefix())).
		Else(clientv3.OpGet(e.head, all, clientv3.WithLimit(1))).Commit()
	if errors.Is(err, rpctypes.ErrNoSpace) {
		e.pressure.noSpace(true)
		return nil // reads work, and /readyz shows it
	}
	return explain(c, err)
}

// explain says what a user must change. It returns nil for nil.
func explain(c Config, err error) error {
	if err == nil {
		return nil
	}
	endpoints, text := strings.Join(c.Endpoints, ", "), err.Error()
	has := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case errors.Is(err, rpctypes.ErrAuthFailed), has("invalid user ID or password"):
		return fmt.Errorf("etcd refuses the user %q: the name or the password is wrong", c.User)
	case errors.Is(err, rpctypes.ErrUserEmpty), has("user name is empty"):
		return errors.New("etcd demands a user and a password: etcd://USER:PASSWORD@HOST:PORT/PREFIX")
	case errors.Is(err, rpctypes.ErrPermissionDenied), has("etcdserver: permission denied"):
		return fmt.Errorf("etcd does not let the user %q read and write all keys below %s/: etcdctl role grant-permission ROLE --prefix=true readwrite %s/", c.User, c.Prefix, c.Prefix)
	case has("x509: "), has("tls: "), has("authentication handshake failed"):
		return fmt.Errorf("no secure connection to etcd at %s (see ca, cert, key and serverName): %s", endpoints, cause(err))
	case c.TLS != nil && (has("broken pipe") || has("connection reset") || has("EOF")):
		return fmt.Errorf("no secure connection to etcd at %s, which has closed it, perhaps because it wants another client's certificate (see cert and key): %s", endpoints, cause(err))
	case c.TLS == nil && (has("error reading server preface") || has("connection reset") || has("malformed header")):
		return fmt.Errorf("etcd at %s does not answer without TLS, add ?ca=FILE or ?tls=true if it uses TLS: %s", endpoints, cause(err))
	case has(errNoLeader.Error()), has("deadline exceeded"):
		return fmt.Errorf("etcd at %s does not answer in time, perhaps a majority of its members is missing: %s", endpoints, cause(err))
	}
	return fmt.Errorf("no answer from etcd at %s: %s", endpoints, cause(err))
}

// cause returns the text of an error without the words that gRPC adds to it.
func cause(err error) string {
	text := err.Error()
	if s, ok := status.FromError(err); ok {
		text = s.Message()
	}
	text = strings.NewReplacer("rpc error: code = Unavailable desc = ", "", "rpc error: code = DeadlineExceeded desc = ", "",
		"connection error: desc = ", "", "\n", "; ").Replace(text)
	return strings.ReplaceAll(text, `"`, "'")
}
