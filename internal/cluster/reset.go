//go:build cluster

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Reset makes the member of a data folder the only one of its cluster, for a cluster whose majority is lost for ever.
// What the lost members have acknowledged and this one has not received is lost, too. It refuses as long as any
// other member answers, because that one would go on with the old cluster. After an interruption it can be
// called again.
func Reset(ctx context.Context, c Config) (err error) {
	m, err := read(c)
	if err != nil {
		return err
	}
	if err := m.checkRemoved(ctx); err != nil {
		return err
	}
	status, err := Known(ctx, c)
	if err != nil {
		return err
	}
	var alive []string
	for _, one := range status.Members {
		if one.Answers {
			alive = append(alive, one.Name)
		}
	}
	if len(alive) > 0 {
		return fmt.Errorf("other members still run: %s. If they are a majority, remove the lost members with `midas cluster remove` instead; if not, end their servers first, and let them join again afterwards", strings.Join(alive, ", "))
	}
	if err := m.folder.renew(hostOf(m.state.Peer), c.Now()); err != nil {
		return err
	}
	if err := m.start(ctx, true); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	return m.ready(ctx)
}
