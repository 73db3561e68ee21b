package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// nodePrograms are the programs that run JavaScript with the node of the PATH.
func nodePrograms() []string {
	return []string{"node", "nodejs", "npm", "npx", "yarn", "pnpm", "tsx", "ts-node"}
}

// secretVariables are variables in which programs expect credentials for Azure, and those of midas env.
func secretVariables() []string {
	return []string{
		"ARM_ACCESS_KEY", "ARM_CLIENT_CERTIFICATE_PATH", "ARM_CLIENT_SECRET", "ARM_OIDC_TOKEN", "AZURE_CLIENT_CERTIFICATE_PATH",
		"AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_PASSWORD", "AZURE_STORAGE_CONNECTION_STRING",
		"MIDAS_CLIENT_SECRET", "MIDAS_USER_PASSWORD",
	}
}

// versionTimeout bounds how long a program may take to print its version.
const versionTimeout = 5 * time.Second

// bypassWarning returns a warning if a program is known to ignore the proxy, because then it reaches the real
// Azure. It names the secrets that the program has.
func bypassWarning(ctx context.Context, program string, environ []string) string {
	name := strings.TrimSuffix(filepath.Base(program), ".exe")
	if !slices.Contains(nodePrograms(), name) {
		return ""
	}
	if name != "node" && name != "nodejs" {
		program = "node"
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	version := strings.TrimSpace(string(out))
	if err != nil || nodeUsesProxy(version) {
		return ""
	}
	text := fmt.Sprintf("the fetch of Node %s ignores the proxy and reaches the real Azure; use Node 22.21, 24 or later, or a library that uses HTTPS_PROXY", version)
	if secrets := secretsIn(environ); len(secrets) > 0 {
		text += ". The program has the secrets " + strings.Join(secrets, ", ")
	}
	return text
}

// nodeUsesProxy reports whether the fetch of a version of Node, such as v22.21.0, uses HTTPS_PROXY if
// NODE_USE_ENV_PROXY is set: 22.21 and later ones of 22, and 24 and later.
func nodeUsesProxy(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(version, "v%d.%d", &major, &minor); err != nil {
		return true // it is not Node
	}
	return major >= 24 || major == 22 && minor >= 21
}

// secretsIn returns the names of the secrets in an environment.
func secretsIn(environ []string) []string {
	return slices.DeleteFunc(secretVariables(), func(name string) bool { return !has(environ, name) })
}
