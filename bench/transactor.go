//go:build e2e && cluster

package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

// transactor uses a database without Midas, and with as many connections as some replicas have.
type transactor interface {
	// create commits one transaction: it compares the keys that a create has got, and writes the rows.
	create(ctx context.Context, rows []row) error

	// newest is one read that shows every commit before it.
	newest(ctx context.Context) error

	close()
}

// aloneFolder holds the keys of a transactor. It is about as long as the names that an engine puts before its keys.
const aloneFolder = "/alone/k/"

var errRefused = errors.New("the database refuses the transaction: what it has compared was changed")

// got is a key that a create gets, beside that of the new identity.
type got struct {
	name   string
	exists bool
}

// gotByCreates are as many keys, of the same length, as those that the creation of an identity gets and compares: the
// principal of its caller, the group, and the number of locks of the subscription, which does not exist without locks.
func gotByCreates() []got {
	const id = "6496961d-f8a4-45f5-8ee7-310b9eaa32eb"
	return []got{
		{aloneFolder + "d/" + id + "/sp/" + id, true},
		{aloneFolder + "r//subscriptions/" + id + "/resourcegroups/bench", true},
		{aloneFolder + "lc/" + id, false},
	}
}

// isNew reports whether a create gets the key, which it also writes, and finds no record.
func isNew(key string) bool { return strings.HasPrefix(key, "r/") }

// direct commits the transactions of creates with so many writers and returns the rate.
func direct(db transactor, rows [][]row, writers int) (float64, error) {
	next := make(chan []row, len(rows))
	for _, r := range rows {
		next <- r
	}
	close(next)
	var wait sync.WaitGroup
	errs := make([]error, writers)
	begin := time.Now()
	for w := range writers {
		wait.Go(func() {
			for rows := range next {
				if errs[w] = db.create(context.Background(), rows); errs[w] != nil {
					return
				}
			}
		})
	}
	wait.Wait()
	return float64(len(rows)) / time.Since(begin).Seconds(), errors.Join(errs...)
}
