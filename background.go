package midas

import (
	"context"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"midas/internal/clock"
	"midas/internal/replica"
	"midas/internal/revocation"
)

// background are the jobs that run until their context ends. Every replica runs them.
func (r *services) background() []func(context.Context) error {
	return []func(context.Context) error{
		r.job("replicas", r.replicas.Run), r.runOnce, r.job("keys.follow", r.keys.Follow), r.job("activity", r.activity.Run), r.job("fleet", r.fleet.Run),
		r.job("revocations.count", r.expiry().Count), r.job("retention", r.retention.Run), r.job("authorities", r.authorities.Renew(r.log)),
		r.job("installation", r.followKeys),
	}
}

// job returns a job whose passes, and whose transactions outside of them, are traces of its name.
func (r *services) job(name string, run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error { return run(r.tracer.Job(ctx, "job "+name)) }
}

// runOnce runs the jobs that one replica at a time does, while this replica has their lease. All their transactions
// are guarded by it.
func (r *services) runOnce(ctx context.Context) error {
	return r.lease.Run(ctx, func(ctx context.Context) error {
		jobs, ctx := errgroup.WithContext(ctx)
		for _, job := range []func(context.Context) error{
			r.job("revocations", r.expiry().Run), r.job("keys.maintain", r.keys.Maintain), r.job("activity.trim", r.activity.RunTrim),
			r.job("operations", r.resources.Run), r.job("hierarchy", r.resumeHierarchy), r.job("grants", r.grants.Run),
			r.job("fleet.sweep", r.fleet.RunSweep), r.job("directory", r.directory.Run),
		} {
			jobs.Go(func() error { return job(ctx) })
		}
		return jobs.Wait()
	})
}

// followKeys adopts the keys of the store that another replica has changed.
func (r *services) followKeys(ctx context.Context) error { return r.installation.Follow(ctx, r.log) }

func (r *services) expiry() *revocation.Expiry {
	return &revocation.Expiry{Directory: r.directory, Retention: r.retention, Now: r.now, Log: r.log}
}

// resumeEvery is how often deletions of management groups are looked for whose replicas have ended.
const resumeEvery = time.Minute

// resumeHierarchy finishes the deletions of management groups that an earlier process or another replica has begun,
// until ctx ends.
func (r *services) resumeHierarchy(ctx context.Context) error {
	resume := func(ctx context.Context) {
		if err := r.hierarchy.Resume(ctx); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "management groups are still being deleted, trying again", "cause", err)
		}
	}
	resume(ctx)
	clock.Every(ctx, resumeEvery, resume)
	return nil
}

// openReplicas makes what this process knows of other replicas that use its store.
func (r *services) openReplicas(origin string) {
	id, alone := r.newID(), !r.store.shared()
	r.replicas = &replica.Registry{
		Store: r.store, ID: id, Addresses: []string{origin}, Version: Version(), Now: r.now, Log: r.log, Alone: alone,
		Upgrade: r.store.upgrade,
	}
	r.lease = &replica.Lease{Store: r.store, Name: backgroundJob, ID: id, Log: r.log, Alone: alone}
}

// agentServers returns the function that returns the addresses of which agents learn; nil if there is only one server.
func (r *services) agentServers() func() []string {
	if !r.store.shared() {
		return nil
	}
	return r.replicas.Live
}

// hostName is the host of a URL that was checked before.
func hostName(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// backgroundJob is the name of the lease of all background work. It must not change, because replicas of different
// versions share the store during an upgrade.
const backgroundJob = "background"
