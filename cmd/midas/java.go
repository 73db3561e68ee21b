package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"midas/cmd/midas/internal/truststore"
)

// javaVariable has options for every start of java, from version 9 on. Unlike JAVA_TOOL_OPTIONS, it is read by
// java only and not by tools such as keytool, and it may name a file of options. So java, which prints the
// variable, does not print the password of the proxy.
const javaVariable = "JDK_JAVA_OPTIONS"

// javaOptions writes a file of options that make java use the proxy and trust the certificates, and returns
// the value of javaVariable. Java reads neither HTTPS_PROXY nor PEM files. direct lists the hosts without
// the proxy, as in NO_PROXY.
func javaOptions(folder, proxyURL, roots, direct string) (string, error) {
	at, err := url.Parse(proxyURL)
	if err != nil {
		return "", fmt.Errorf("read the proxy's URL: %w", err)
	}
	certificates, err := os.ReadFile(roots)
	if err != nil {
		return "", fmt.Errorf("read certificates: %w", err)
	}
	store := filepath.Join(folder, "roots.jks")
	if err := os.WriteFile(store, truststore.JKS(certificates, time.Now()), 0o600); err != nil {
		return "", fmt.Errorf("write certificates for Java: %w", err)
	}
	password, _ := at.User.Password()
	properties := [][2]string{
		{"http.nonProxyHosts", strings.ReplaceAll(strings.ReplaceAll(direct, "127.0.0.1", "127.*"), ",", "|")},
		{"jdk.http.auth.tunneling.disabledSchemes", ""}, // Java refuses the proxy's Basic authentication by default
		{"javax.net.ssl.trustStore", store},
		{"javax.net.ssl.trustStoreType", "JKS"},
		{"javax.net.ssl.trustStorePassword", truststore.JKSPassword},
	}
	for _, scheme := range []string{"http", "https"} {
		properties = append(properties, [][2]string{
			{scheme + ".proxyHost", at.Hostname()}, {scheme + ".proxyPort", at.Port()},
			{scheme + ".proxyUser", at.User.Username()}, {scheme + ".proxyPassword", password},
		}...)
	}
	var lines strings.Builder
	for _, p := range properties {
		lines.WriteString(javaQuote("-D"+p[0]+"="+p[1]) + "\n")
	}
	file := filepath.Join(folder, "java.options")
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		return "", fmt.Errorf("write options for Java: %w", err)
	}
	return javaVariableQuote("@" + file), nil
}

// javaQuote quotes an argument in a file of options, where a backslash is an escape.
func javaQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// javaVariableQuote quotes an argument in javaVariable, where a backslash is an ordinary character.
func javaVariableQuote(s string) string {
	if strings.ContainsAny(s, " \t") {
		return `"` + s + `"`
	}
	return s
}
