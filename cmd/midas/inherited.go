package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// inherited selects the variables that midas exec --as passes on from its own environment. A command that
// runs as a workload must not get the credentials of the user who started it. The names of credentials
// cannot be listed, so the list names the variables that are passed on.
type inherited struct {
	names []string // of --env: NAME, NAME=VALUE, or PREFIX*
	all   bool     // --env-all: all variables except those of Azure's clients and of Midas
}

// usual are the variables that programs need to run at all, and those that configure runtimes and
// terminals. A name that ends in * is a prefix. None of them is known to hold a secret.
func usual() []string {
	names := strings.Fields(`PATH HOME USER LOGNAME SHELL PWD OLDPWD SHLVL LANG LANGUAGE LC_* TZ TZDIR TMPDIR TMP TEMP HOSTNAME
		TERM TERM_PROGRAM TERMINFO TERMINFO_DIRS COLORTERM COLUMNS LINES NO_COLOR FORCE_COLOR CLICOLOR CLICOLOR_FORCE
		DISPLAY WAYLAND_DISPLAY XAUTHORITY BROWSER EDITOR VISUAL PAGER LESS CI
		XDG_CONFIG_HOME XDG_CONFIG_DIRS XDG_CACHE_HOME XDG_DATA_HOME XDG_DATA_DIRS XDG_STATE_HOME XDG_RUNTIME_DIR
		LD_LIBRARY_PATH DYLD_LIBRARY_PATH MANPATH SSL_CERT_DIR
		GOPATH GOROOT GOCACHE GOMODCACHE GOFLAGS GOTOOLCHAIN GOBIN GODEBUG GOGC GOMEMLIMIT GOMAXPROCS GOTRACEBACK GOCOVERDIR CGO_ENABLED
		PYTHONPATH PYTHONHOME PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE PYTHONIOENCODING PYTHONUTF8 VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV
		NODE_ENV NODE_PATH NODE_OPTIONS NVM_DIR NVM_BIN JAVA_HOME JDK_HOME CLASSPATH MAVEN_HOME GRADLE_HOME
		DOTNET_ROOT DOTNET_CLI_HOME DOTNET_CLI_TELEMETRY_OPTOUT DOTNET_NOLOGO DOTNET_ENVIRONMENT ASPNETCORE_ENVIRONMENT
		GEM_HOME GEM_PATH RUBYLIB BUNDLE_PATH CARGO_HOME RUSTUP_HOME RUST_BACKTRACE RUST_LOG PERL5LIB`)
	if runtime.GOOS == "windows" {
		names = append(names, strings.Fields(`SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT USERPROFILE USERNAME USERDOMAIN HOMEDRIVE HOMEPATH
			APPDATA LOCALAPPDATA PROGRAMDATA PROGRAMFILES PROGRAMFILES(X86) PROGRAMW6432 COMMONPROGRAMFILES COMMONPROGRAMFILES(X86)
			COMMONPROGRAMW6432 ALLUSERSPROFILE PUBLIC OS COMPUTERNAME NUMBER_OF_PROCESSORS PROCESSOR_* PSMODULEPATH DRIVERDATA`)...)
	}
	return names
}

// clouds are the prefixes of variables with the identity or the credentials of a client of Azure, of Midas
// or of a metadata service. --env-all does not pass these variables on.
func clouds() []string {
	return []string{"MIDAS_", "AZURE_", "ARM_", "AAD_", "AZ_", "MSI_", "IDENTITY_", "IMDS_", "DEFAULT_IDENTITY_", "APPSETTING_", "SERVICECONNECTOR_", "TF_VAR_", "SYSTEM_ACCESSTOKEN", "ACTIONS_ID_TOKEN_"}
}

// environment selects lines of an environment, and adds the variables that --env sets.
func (i inherited) environment(base []string) []string {
	allowed := usual()
	var given []string
	for _, name := range i.names {
		if strings.Contains(name, "=") {
			given = append(given, name)
			continue
		}
		allowed = append(allowed, name)
	}
	var kept []string
	for _, line := range base {
		name, _, _ := strings.Cut(line, "=")
		if matches(allowed, name) || i.all && !begins(clouds(), name) {
			kept = append(kept, line)
		}
	}
	return append(kept, given...)
}

// check returns an error if --env has an invalid name of a variable.
func (i inherited) check() error {
	for _, given := range i.names {
		if name, _, _ := strings.Cut(given, "="); name == "" || strings.ContainsAny(name, " \t\n\x00") || name == "*" {
			return fmt.Errorf("--env %q is not NAME, NAME=VALUE or PREFIX*; --env-all passes all variables except those of Azure's clients and of Midas", given)
		}
	}
	return nil
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if prefix, open := strings.CutSuffix(pattern, "*"); open {
			return begins([]string{prefix}, name)
		}
		return sameVariable(pattern, name)
	})
}

func begins(prefixes []string, name string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return len(name) >= len(prefix) && sameVariable(name[:len(prefix)], prefix)
	})
}

// sameVariable compares two names of variables. Windows ignores their case.
func sameVariable(a, b string) bool {
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}

// base is the environment of the command before midas exec sets its own variables.
func (c *execCommand) base() []string {
	if c.As == "" {
		return os.Environ()
	}
	base := inherited{c.Env, c.EnvAll}.environment(os.Environ())
	if own, set := os.LookupEnv("AZURE_CONFIG_DIR"); set && c.KeepAzureConfig {
		base = append(base, "AZURE_CONFIG_DIR="+own)
	}
	return base
}
