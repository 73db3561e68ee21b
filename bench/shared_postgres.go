//go:build e2e && cluster

package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"midas/internal/store/servertest"
)

// connectionsOfReplica are the connections that a replica opens if its URL does not say how many.
const connectionsOfReplica = 10

// startPostgres starts one server.
func startPostgres(s *stage) (*database, error) {
	server := servertest.Postgres(s, "max_connections=120")
	return &database{
		name: "PostgreSQL",
		url:  server.URL(),
		alone: func(ctx context.Context, replicas int) (transactor, error) {
			return newPostgresAlone(ctx, server.URL(), replicas)
		},
		operations: func(ctx context.Context) (float64, error) { return postgresOperations(ctx, server.URL()) },
	}, nil
}

// postgresAlone has as many connections as the replicas that it stands for.
type postgresAlone struct {
	pool      *pgxpool.Pool
	keys      [][]byte // that every create gets
	revisions []int64
}

// The tables of postgresAlone are like those that hold a store's keys, without a feed of changes.
const aloneSQL = `CREATE SCHEMA IF NOT EXISTS alone;
CREATE TABLE IF NOT EXISTS alone.kv (key bytea PRIMARY KEY, value bytea NOT NULL, revision bigint NOT NULL);
CREATE SEQUENCE IF NOT EXISTS alone.revision;`

// createSQL is one transaction: it locks and compares what it has got, and writes.
const createSQL = `
WITH got AS (
	SELECT k.key, k.revision FROM alone.kv k WHERE k.key = ANY($1::bytea[]) FOR SHARE
), failed AS (
	SELECT FROM unnest($1::bytea[], $2::bigint[]) AS g (key, revision)
	WHERE g.revision <> coalesce((SELECT got.revision FROM got WHERE got.key = g.key), 0)
), written AS (
	INSERT INTO alone.kv (key, value, revision)
	SELECT w.key, w.value, nextval('alone.revision') FROM unnest($3::bytea[], $4::bytea[]) AS w (key, value)
	WHERE NOT EXISTS (SELECT FROM failed)
	RETURNING key
)
SELECT count(*) FROM written`

func newPostgresAlone(ctx context.Context, url string, replicas int) (*postgresAlone, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(connectionsOfReplica * replicas)
	p := &postgresAlone{}
	if p.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, err
	}
	if _, err := p.pool.Exec(ctx, aloneSQL); err != nil {
		return nil, errors.Join(err, p.end())
	}
	for _, key := range gotByCreates() {
		p.keys, p.revisions = append(p.keys, []byte(key.name)), append(p.revisions, 0)
		if !key.exists {
			continue
		}
		err := p.pool.QueryRow(ctx, `INSERT INTO alone.kv VALUES ($1, '{}', nextval('alone.revision'))
			ON CONFLICT (key) DO UPDATE SET revision = excluded.revision RETURNING revision`, []byte(key.name)).Scan(&p.revisions[len(p.revisions)-1])
		if err != nil {
			return nil, errors.Join(err, p.end())
		}
	}
	return p, nil
}

func (p *postgresAlone) create(ctx context.Context, rows []row) error {
	got, revisions := p.keys[:len(p.keys):len(p.keys)], p.revisions[:len(p.revisions):len(p.revisions)]
	var keys, values [][]byte
	for _, r := range rows {
		key := []byte(aloneFolder + r.Key)
		if isNew(r.Key) {
			got, revisions = append(got, key), append(revisions, 0)
		}
		keys, values = append(keys, key), append(values, []byte(r.Value))
	}
	var written int
	err := p.pool.QueryRow(ctx, createSQL, got, revisions, keys, values).Scan(&written)
	if err == nil && written != len(rows) {
		err = errRefused
	}
	return err
}

func (p *postgresAlone) newest(ctx context.Context) error {
	var last int64
	return p.pool.QueryRow(ctx, "SELECT coalesce(max(revision), 0) FROM midas.changes").Scan(&last)
}

func (p *postgresAlone) end() error {
	p.pool.Close()
	return nil
}

func (p *postgresAlone) close() { p.pool.Close() }

// postgresOperations returns how many transactions of the database have ended.
func postgresOperations(ctx context.Context, url string) (n float64, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, "SELECT (xact_commit + xact_rollback)::float8 FROM pg_stat_database WHERE datname = current_database()").Scan(&n)
	return n, err
}
