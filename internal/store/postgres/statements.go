//go:build cluster

package postgres

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// layout is the version of the tables. An Engine refuses a greater one.
const layout = 1

// statements are the SQL statements of one schema.
type statements struct {
	newest, latest, settings, lock, commit, resolve string
	get, scan, scanReverse                          string
	feed                                            string
	claimTrim, surplus, trim, removeChanges         string
	touch                                           string
	channel                                         string // of NOTIFY
}

func statementsOf(schema string) statements {
	in := strings.NewReplacer("{s}", quote(schema), "{newest}", newestRevision(schema)).Replace
	return statements{
		newest:      "SELECT " + newestRevision(schema),
		latest:      in(latestSQL),
		settings:    settingsSQL,
		lock:        in(lockSQL),
		commit:      in(commitSQL),
		resolve:     in(resolveSQL),
		get:         in(getSQL),
		scan:        in(strings.ReplaceAll(scanSQL, "{direction}", "ASC")),
		scanReverse: in(strings.ReplaceAll(scanSQL, "{direction}", "DESC")),
		feed:        in(feedSQL),

		claimTrim:     "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 1))",
		surplus:       in(surplusSQL),
		trim:          in(trimSQL),
		removeChanges: in(removeChangesSQL),
		touch:         in("UPDATE {s}.head SET oldest = oldest WHERE one"),
		channel:       "midas." + schema,
	}
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// newestRevision reads the last entry of an index, whose cost does not grow with dead rows.
func newestRevision(schema string) string {
	return "(SELECT coalesce(max(revision), 0) FROM " + quote(schema) + ".changes)"
}

// tablesSQL creates the tables.
const tablesSQL = `
CREATE TABLE {s}.head (
	one boolean PRIMARY KEY DEFAULT true CHECK (one), -- there is one row
	program text NOT NULL,
	layout integer NOT NULL,
	oldest bigint NOT NULL -- "changes" has all revisions after this one
);
CREATE TABLE {s}.kv (
	key bytea NOT NULL,    -- the first 2048 bytes of the key
	digest bytea NOT NULL, -- SHA-256 of rest, empty if rest is empty
	rest bytea NOT NULL,   -- the other bytes of the key
	value bytea NOT NULL,
	revision bigint NOT NULL, -- of the commit that wrote this value
	PRIMARY KEY (key, digest)
);
CREATE TABLE {s}.changes (
	revision bigint NOT NULL,
	index integer NOT NULL, -- 1, 2, … within the revision
	mark bigint NOT NULL,   -- a random number of the commit
	at timestamptz NOT NULL,
	last boolean NOT NULL,  -- whether it is the last change of the revision
	key bytea NOT NULL,     -- the whole key
	value bytea,            -- NULL if the commit has deleted the key
	PRIMARY KEY (revision, index)
);
INSERT INTO {s}.head (program, layout, oldest) VALUES ('midas', {layout}, 0);
`

// settingsSQL sets limits of one transaction. A server that commits without waiting for its disk is told to wait;
// other values of synchronous_commit are the operator's choice. The session ends if its replica stops in the middle
// of a commit, so that other replicas can go on. Settings of a transaction also work through a pooler.
const settingsSQL = `SELECT
	set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true),
	set_config('statement_timeout', $1, true),
	set_config('lock_timeout', $1, true),
	set_config('idle_in_transaction_session_timeout', $2, true)`

const lockSQL = `SELECT oldest FROM {s}.head WHERE one FOR UPDATE`

// latestSQL reads the newest revision and the mark of its commit.
const latestSQL = `SELECT revision, mark FROM {s}.changes ORDER BY revision DESC, index DESC LIMIT 1`

// commitSQL compares and writes some commits, and returns their revisions, NULL for a commit with a guard that does not
// hold. It must follow lockSQL as a statement of its own, so that it sees all commits that were made before the lock.
//
// It ends the transaction, by a division by zero, if one of the commits has happened already, or if the changes since
// the revision $1 no longer tell. A session whose client has given it up may still receive a transaction, when a
// partition of the network or a pause of the server ends; meanwhile the client has made the commits in another session,
// and others may have written the same keys.
//
// The notification tells the newest revision. Guards and writes have the number of their commit, from 1 on.
const commitSQL = `
WITH fence AS MATERIALIZED (
	SELECT {newest} / CASE WHEN (SELECT oldest FROM {s}.head WHERE one) > $1
		OR EXISTS (SELECT FROM {s}.changes WHERE revision > $1 AND index = 1 AND mark = ANY($2::bigint[])) THEN 0 ELSE 1 END AS newest
), failed AS MATERIALIZED (
	SELECT DISTINCT g.commit FROM unnest($3::integer[], $4::bytea[], $5::bytea[], $6::bigint[]) AS g (commit, key, digest, revision)
	WHERE g.revision <> coalesce((SELECT k.revision FROM {s}.kv k WHERE k.key = g.key AND k.digest = g.digest), 0)
), counted AS (
	SELECT c.commit, c.holds, count(*) FILTER (WHERE c.holds) OVER (ORDER BY c.commit) AS number
	FROM (
		SELECT commit, NOT EXISTS (SELECT FROM failed f WHERE f.commit = m.commit) AS holds
		FROM unnest($2::bigint[]) WITH ORDINALITY AS m (mark, commit)
	) c
), next AS MATERIALIZED (
	SELECT array_agg(CASE WHEN c.holds THEN f.newest + c.number END ORDER BY c.commit) AS revisions,
		max(f.newest + c.number) FILTER (WHERE c.holds) AS newest
	FROM fence f CROSS JOIN counted c
), puts AS (
	INSERT INTO {s}.kv AS k (key, digest, rest, value, revision)
	SELECT w.key, w.digest, w.rest, w.value, next.revisions[w.commit]
	FROM next, unnest($7::integer[], $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[]) AS w (commit, key, digest, rest, value)
	WHERE w.value IS NOT NULL AND next.revisions[w.commit] IS NOT NULL
	ON CONFLICT (key, digest) DO UPDATE SET value = excluded.value, revision = excluded.revision
), deletes AS (
	DELETE FROM {s}.kv k
	USING next, unnest($7::integer[], $10::bytea[], $11::bytea[], $13::bytea[]) AS w (commit, key, digest, value)
	WHERE w.value IS NULL AND next.revisions[w.commit] IS NOT NULL AND k.key = w.key AND k.digest = w.digest
), log AS (
	INSERT INTO {s}.changes (revision, index, mark, at, last, key, value)
	SELECT next.revisions[w.commit], w.index, ($2::bigint[])[w.commit], clock_timestamp(), w.last, w.key || w.rest, w.value
	FROM next, unnest($7::integer[], $8::integer[], $9::boolean[], $10::bytea[], $12::bytea[], $13::bytea[])
		AS w (commit, index, last, key, rest, value)
	WHERE next.revisions[w.commit] IS NOT NULL
)
SELECT revisions, CASE WHEN newest IS NOT NULL THEN pg_notify($14, newest::text)::text END FROM next`

// resolveSQL finds the commits that have these marks.
const resolveSQL = `SELECT mark, revision FROM {s}.changes WHERE index = 1 AND mark = ANY($1::bigint[])`

// getSQL reads some keys. Beside each it has the newest revision after $1 that has changed the key: it tells of an absent
// key whether a commit after a snapshot's revision has deleted it. The table has no index of keys, so one pass through
// the changes after $1 looks for all of them. A subquery for each key of "kv" has the same plan whatever the
// statistics say.
const getSQL = `
WITH touched AS MATERIALIZED (
	SELECT c.key, max(c.revision) AS revision FROM {s}.changes c WHERE c.revision > $1 AND c.key = ANY($2::bytea[]) GROUP BY c.key
)
SELECT g.place, n.newest, (SELECT oldest FROM {s}.head WHERE one), k.value, k.revision,
	(SELECT t.revision FROM touched t WHERE t.key = g.whole)
FROM (SELECT {newest} AS newest) n CROSS JOIN unnest($2::bytea[], $3::bytea[], $4::bytea[]) WITH ORDINALITY AS g (whole, key, digest, place)
LEFT JOIN LATERAL (SELECT k.value, k.revision FROM {s}.kv k WHERE k.key = g.key AND k.digest = g.digest LIMIT 1) k ON true`

// scanSQL reads one page of the keys from ($1, $2) to ($3, $4). "changed" says whether a commit after the
// snapshot's revision has changed a key from $7 to $8, or may have.
const scanSQL = `
SELECT n.newest, n.newest > $6 AND (
	(SELECT oldest FROM {s}.head WHERE one) > $6
	OR EXISTS (SELECT FROM {s}.changes c WHERE c.revision > $6 AND c.key >= $7::bytea AND c.key < $8::bytea)) AS changed,
	p.key, p.rest, p.value, p.revision
FROM (SELECT {newest} AS newest) n
LEFT JOIN LATERAL (
	SELECT k.key, k.rest, k.value, k.revision FROM {s}.kv k
	WHERE k.key >= $1::bytea AND k.key <= $3::bytea AND (k.key, k.rest) >= ($1::bytea, $2::bytea) AND (k.key, k.rest) < ($3::bytea, $4::bytea)
	ORDER BY k.key {direction}, k.rest {direction} LIMIT $5
) p ON true`

// feedSQL reads changes after a position, and the mark of the revision at that position.
const feedSQL = `
SELECT h.oldest, n.newest, (SELECT m.mark FROM {s}.changes m WHERE m.revision = $1 LIMIT 1) AS mark,
	c.revision, c.index, c.mark, c.last, c.key, c.value
FROM (SELECT {newest} AS newest) n CROSS JOIN {s}.head h
LEFT JOIN LATERAL (
	SELECT * FROM {s}.changes c WHERE (c.revision, c.index) > ($1, $2) ORDER BY c.revision, c.index LIMIT $3
) c ON true
WHERE h.one`

// surplusSQL returns the newest revision that the limits of rows ($1), bytes ($2) and seconds ($3) exclude. The newest
// revision of all always stays.
const surplusSQL = `
SELECT coalesce(max(revision), 0) FROM (
	SELECT revision, at, max(revision) OVER () AS newest, row_number() OVER newer AS rows,
		sum(octet_length(key) + coalesce(octet_length(value), 0)) OVER newer AS bytes
	FROM {s}.changes WINDOW newer AS (ORDER BY revision DESC, index DESC)
) c WHERE revision < newest AND (rows > $1 OR bytes > $2 OR at < clock_timestamp() - make_interval(secs => $3))`

const trimSQL = `UPDATE {s}.head SET oldest = $1 WHERE one AND oldest < $1`

const removeChangesSQL = `DELETE FROM {s}.changes c USING {s}.head h WHERE h.one AND c.revision <= h.oldest`
