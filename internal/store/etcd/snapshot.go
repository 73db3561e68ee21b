//go:build cluster

package etcd

import (
	"context"
	"errors"
	"iter"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"midas/internal/store"
)

// Pages of a scan. The sizes of records are not known before, so the first page is small.
const (
	firstPage = 128
	fullPage  = 2048     // records
	pageBytes = 1 << 20  // at which later pages aim
	leastPage = int64(8) // records that always fit into one answer
)

// snapshot reads etcd at one revision.
type snapshot struct {
	engine   *Engine
	revision store.Revision // of the newest commit
	at       int64          // etcd's revision
}

// Revision implements store.Snapshot.
func (s *snapshot) Revision() store.Revision { return s.revision }

// Settle implements store.Snapshot. etcd shows durable writes only.
func (s *snapshot) Settle(context.Context) error { return nil }

// Close implements store.Snapshot.
func (s *snapshot) Close() {}

// Get implements store.Snapshot.
func (s *snapshot) Get(ctx context.Context, key string) (store.Record, error) {
	answer, err := s.query(ctx, s.engine.prefix+key)
	if err != nil {
		return store.Record{}, err
	}
	if len(answer.Kvs) == 0 {
		return store.Record{}, store.ErrNotFound
	}
	return record(key, answer.Kvs[0]), nil
}

func record(key string, kv *mvccpb.KeyValue) store.Record {
	value := kv.Value
	if value == nil {
		value = []byte{} // an empty value of protobuf
	}
	return store.Record{Key: key, Value: value, Revision: store.Revision(kv.ModRevision)}
}

// query reads the snapshot's revision. Any member that has that revision may answer, without asking the leader.
// A member that does not have it yet answers that it lies in the future; then the question is asked again as a
// linearizable read, for which the member waits until it has caught up.
func (s *snapshot) query(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if s.at == 0 { // WithRev(0) would read the newest revision
		return new(clientv3.GetResponse), ctx.Err()
	}
	opts = append(opts, clientv3.WithRev(s.at))
	serializable := append(opts[:len(opts):len(opts)], clientv3.WithSerializable())
	var answer *clientv3.GetResponse
	err := s.engine.read(ctx, func(ctx context.Context) (err error) {
		answer, err = s.engine.client.Get(ctx, key, serializable...)
		if errors.Is(err, rpctypes.ErrFutureRev) {
			answer, err = s.engine.client.Get(ctx, key, opts...)
		}
		return err
	})
	return answer, err
}

// Scan implements store.Snapshot. It reads pages, so that no answer of etcd is large.
func (s *snapshot) Scan(ctx context.Context, r store.Range) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		span := s.span(r)
		left, page := int64(r.Limit), int64(firstPage)
		for span.first < span.end {
			if r.Limit > 0 {
				page = min(page, left)
			}
			answer, err := s.page(ctx, span, r.Reverse, &page)
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			bytes := 0
			for _, kv := range answer.Kvs {
				key, _ := s.engine.storeKey(kv.Key)
				if !yield(record(key, kv), nil) {
					return
				}
				bytes += len(kv.Key) + len(kv.Value)
				span.pass(string(kv.Key), r.Reverse)
			}
			left -= int64(len(answer.Kvs))
			if !answer.More || r.Limit > 0 && left <= 0 {
				return
			}
			page = max(leastPage, min(fullPage, pageBytes*page/int64(max(bytes, 1))))
		}
	}
}

// page reads at most *size records. It makes *size smaller if the answer is too large for gRPC.
func (s *snapshot) page(ctx context.Context, k span, reverse bool, size *int64) (*clientv3.GetResponse, error) {
	order := clientv3.SortAscend
	if reverse {
		order = clientv3.SortDescend
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		answer, err := s.query(ctx, k.first, clientv3.WithRange(k.end), clientv3.WithSort(clientv3.SortByKey, order), clientv3.WithLimit(*size))
		if err == nil || !errors.Is(err, errPage) || *size <= leastPage {
			return answer, err
		}
		*size = max(leastPage, *size/8)
	}
}

// span is the half-open range of etcd's keys that is left to read.
type span struct{ first, end string }

// span returns the keys of a Range.
func (s *snapshot) span(r store.Range) span {
	first := s.engine.prefix + r.Prefix
	k := span{first: first, end: clientv3.GetPrefixRangeEnd(first)}
	switch after := s.engine.prefix + r.After; {
	case r.After == "":
	case r.Reverse:
		k.end = min(k.end, after)
	default:
		k.first = max(k.first, after+"\x00")
	}
	return k
}

// pass removes a key, and all before it in the order of the scan.
func (k *span) pass(key string, reverse bool) {
	if reverse {
		k.end = key
		return
	}
	k.first = key + "\x00"
}
