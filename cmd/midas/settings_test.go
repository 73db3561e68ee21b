package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"midas"
)

// The table of docs/operations.md has each setting, with the variable and the flag that really set it.
func TestEverySettingIsInTheTable(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	flags := flagsOfServe(t)
	rows := map[string][]string{}
	row := regexp.MustCompile("(?m)^\\| `([\\w.]+)` \\| ([^|]+) \\| `([^|]+)` \\| [^|]+ \\| [^|]+ \\|$")
	for _, found := range row.FindAllStringSubmatch(string(page), -1) {
		rows[found[1]] = found[2:]
	}
	for _, s := range midas.Settings() {
		found, ok := rows[s.Name]
		if !ok {
			t.Errorf("docs/operations.md has no row for %s, which %s sets", s.Name, s.Env)
			continue
		}
		if !strings.Contains(found[0], "`"+s.Env+"`") {
			t.Errorf("%s: the row has the variable %s, want %s", s.Name, found[0], s.Env)
		}
		if !flags[found[1]] {
			t.Errorf("%s: midas serve has no flag %s", s.Name, found[1])
		}
		delete(rows, s.Name)
	}
	for name := range rows {
		t.Errorf("docs/operations.md has a row for %s, which is no setting", name)
	}
}

func flagsOfServe(t *testing.T) map[string]bool {
	t.Helper()
	for _, command := range newParser(io.Discard, io.Discard).Model.Children {
		if command.Name != "serve" {
			continue
		}
		flags := map[string]bool{}
		for _, flag := range command.Flags {
			flags["--"+flag.Name] = true
		}
		return flags
	}
	t.Fatal("there is no command serve")
	return nil
}

// Flags override variables, and variables override the file.
func TestSettingsOverrideEachOther(t *testing.T) {
	file := filepath.Join(t.TempDir(), "midas.yaml")
	if err := os.WriteFile(file, []byte("listen: file:1\nnames: [file, file2]\nlog: {format: json, level: warn}\nlab: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"MIDAS_LISTEN": "variable:2", "MIDAS_NAMES": "variable, variable2", "MIDAS_LOG_LEVEL": "error", "MIDAS_TOKEN_LIFETIME": "15m", "MIDAS_ORIGIN": "https://variable",
	} {
		t.Setenv(name, value)
	}
	for _, tt := range []struct {
		args []string
		want func(midas.Config) (got, want any)
	}{
		{nil, func(c midas.Config) (any, any) { return c.Listen, "variable:2" }},
		{[]string{"--listen", "flag:3"}, func(c midas.Config) (any, any) { return c.Listen, "flag:3" }},
		{[]string{"--set", "listen=flag:4"}, func(c midas.Config) (any, any) { return c.Listen, "flag:4" }},
		{nil, func(c midas.Config) (any, any) { return strings.Join(c.Names, " "), "variable variable2" }},
		{[]string{"--set", "names=[a, b]"}, func(c midas.Config) (any, any) { return strings.Join(c.Names, " "), "a b" }},
		{nil, func(c midas.Config) (any, any) { return c.Log.Format + c.Log.Level.String(), "jsonERROR" }},
		{nil, func(c midas.Config) (any, any) { return c.TokenLifetime.String(), "15m0s" }},
		{[]string{"--set", "lab=0"}, func(c midas.Config) (any, any) { return c.Lab, false }},
		{[]string{"--set", "metadata=[{resource: /a, listen: ':1'}]"}, func(c midas.Config) (any, any) { return len(c.Metadata), 1 }},
	} {
		got, want := tt.want(configOf(t, append([]string{"--config", file}, tt.args...)...))
		if got != want {
			t.Errorf("%v: %v, want %v", tt.args, got, want)
		}
	}
}

func configOf(t *testing.T, args ...string) midas.Config {
	t.Helper()
	cfg, err := parsedConfig(args...)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func parsedConfig(args ...string) (midas.Config, error) {
	parsed, err := newParser(io.Discard, io.Discard).Parse(append([]string{"serve"}, args...))
	if err != nil {
		return midas.Config{}, err
	}
	return parsed.Selected().Target.Addr().Interface().(*serveCommand).config()
}

func TestSettingsThatCannotBeReadAreNamed(t *testing.T) {
	for _, tt := range []struct{ set, variable, value, want string }{
		{set: "tokenLifetime=5 minutes", want: "tokenLifetime"},
		{set: "tokenLifetim=5m", want: `"tokenLifetim"`},
		{set: "log", want: "NAME=VALUE"},
		{set: "metadata=[{resorce: /a}]", want: "resorce"},
		{set: "lab=maybe", want: "lab"},
		{set: "traces.ratio=x", want: "traces.ratio"},
		{set: "signIn=8h", want: `"signIn"`},
		{variable: "MIDAS_CACHE", value: "much", want: "MIDAS_CACHE"},
		{variable: "MIDAS_METADATA", value: "[", want: "MIDAS_METADATA"},
	} {
		t.Run(tt.set+tt.variable, func(t *testing.T) {
			var args []string
			if tt.variable != "" {
				t.Setenv(tt.variable, tt.value)
			} else {
				args = []string{"--set", tt.set}
			}
			if cfg, err := parsedConfig(args...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%+v, %v; want an error with %s", cfg, err, tt.want)
			}
		})
	}
}
