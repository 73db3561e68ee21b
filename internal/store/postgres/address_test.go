//go:build cluster

package postgres

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestURLsThatAreRefusedDoNotShowTheirPassword(t *testing.T) {
	const secret = "s3cret"
	for url, want := range map[string]string{
		"mysql://midas:s3cret@h/midas":                                  "not of the form",
		"postgres:midas:s3cret@h/midas":                                 "not of the form",
		"postgres://midas:s3/s3cret@h/midas":                            "%2F",
		"postgres://midas:s3@s3cret@h/midas":                            "%40",
		"postgres://midas:s3#s3cret@h/midas":                            "%23",
		"postgres://midas:s3?s3cret@h/midas":                            "%3F",
		"postgres://midas:s3cret@h/midas?midas_schem=x":                 "is not a parameter",
		"postgres://midas:s3cret@h:port/midas":                          "not of the form",
		"postgres://midas:%zzs3cret@h/midas":                            "not of the form",
		"postgres://midas:s3cret@h/midas?midas_schema=Bad-Name":         "small letters",
		"postgres://midas:s3cret@h/midas?midas_schema=pg_x":             "does not begin with pg_",
		"postgres://midas:s3cret@h/midas?midas_schema=":                 "small letters",
		"postgres://midas:s3cret@h/midas?midas_allow_unsafe=perhaps":    "neither true nor false",
		"postgres://midas:s3cret@h/midas?target_session_attrs=standby":  "a replica needs read-write",
		"postgres://midas:s3cret@h/midas?sslmode=perhaps":               "sslmode",
		"postgres://midas:s3cret@h/midas?sslrootcert=/nowhere/ca":       "/nowhere/ca",
		"postgres://midas:s3cret@h/midas?pool_max_conns=many":           "pool_max_conns",
		"postgres://midas@h/midas?password=s3cret&connect_timeout=soon": "connect_timeout",
		"postgres://midas:s3cret@h/midas?a=%zz":                         "query is malformed",
	} {
		_, err := parse(url)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestDefaultsOfURLs(t *testing.T) {
	a, err := parse("postgres://midas:s3cret@a,b:6432/store")
	if err != nil {
		t.Fatal(err)
	}
	if a.schema != "midas" || a.pool.MaxConns != defaultConnections || a.pool.ConnConfig.ConnectTimeout != connectTimeout || a.pool.ConnConfig.ValidateConnect == nil {
		t.Errorf("got %+v", a)
	}
	if got := a.String(); got != "a:5432,b:6432/store, schema midas" {
		t.Errorf("the address is %q", got)
	}
	a, err = parse("postgresql://midas@h/store?midas_schema=other&pool_max_conns=3&connect_timeout=7&target_session_attrs=any")
	if err != nil {
		t.Fatal(err)
	}
	if a.schema != "other" || a.pool.MaxConns != 3 || a.pool.ConnConfig.ConnectTimeout != 7*time.Second || a.pool.ConnConfig.ValidateConnect == nil {
		t.Errorf("got %+v", a)
	}
}

func TestPasswordFilesAreReadOnlyIfTheyAreNamed(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, ".pgpass")
	if err := os.WriteFile(file, []byte("*:*:*:*:from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("PGPASSFILE", "")
	t.Setenv("PGPASSWORD", "")
	for url, want := range map[string]string{
		"postgres://midas@h/midas":                  "",
		"postgres://midas@h/midas?passfile=" + file: "from-file",
		"postgres://midas:x@h/midas":                "x",
	} {
		a, err := parse(url)
		if err != nil || a.pool.ConnConfig.Password != want {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestIntervals(t *testing.T) {
	for prefix, want := range map[string]interval{
		"": {}, "a/": {"a/", "a0"}, "\xff\xff": {from: "\xff\xff"}, "a\xff": {"a\xff", "b"}, "\x00": {"\x00", "\x01"},
	} {
		if got := prefixed(prefix); got != want {
			t.Errorf("%q: %q, want %q", prefix, got, want)
		}
	}
}
