package midas

import (
	"net/url"
	"strings"
)

// storeName returns Config.Store for logs and errors: without passwords. It also hides the password of a text that
// is no URL, for example because its password has a slash, and rather hides too much than too little.
func storeName(store string) string {
	const hidden = "xxxxx"
	for _, local := range []string{"memory:", "pebble:", clusterScheme} {
		if strings.HasPrefix(store, local) {
			return store
		}
	}
	store, query, asked := strings.Cut(store, "?")
	rest := ""
	if at := strings.LastIndexByte(store, '@'); at >= 0 {
		store, rest = store[:at], store[at:]
	} else if at := strings.LastIndexByte(query, '@'); at >= 0 && asked { // the password has a question mark
		store, rest, query, asked = store+"?"+query[:at], query[at:], "", false
	}
	if rest != "" {
		begin := 0
		if i := strings.Index(store, "://"); i >= 0 {
			begin = i + len("://")
		} else if i := strings.IndexByte(store, ':'); i >= 0 {
			begin = i + 1
		}
		if user, _, found := strings.Cut(store[begin:], ":"); found {
			store = store[:begin] + user + ":" + hidden
		}
		store += rest
	}
	if !asked {
		return store
	}
	options := strings.Split(query, "&")
	for i, option := range options {
		name, _, _ := strings.Cut(option, "=")
		decoded, err := url.QueryUnescape(name)
		if err != nil || strings.Contains(decoded, "assword") || strings.Contains(decoded, "ecret") { // sslPassword, too
			options[i] = name + "=" + hidden
		}
	}
	return store + "?" + strings.Join(options, "&")
}
