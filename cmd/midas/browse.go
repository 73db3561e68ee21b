package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"midas/internal/azure"
)

// browseCommand is the browser of programs under midas exec. The user's browser does not run under midas
// exec, so in it Azure's host names lead to Azure. Sign-in pages are therefore opened at the server's own
// origin, which serves the same pages.
type browseCommand struct {
	URL string `arg:"" help:"Page to open."`
}

// browserVariable is the variable in which midas exec keeps the caller's own BROWSER.
const browserVariable = "MIDAS_BROWSER"

// Help is shown by midas browse --help.
func (browseCommand) Help() string {
	return `Programs under "midas exec" have this command as their BROWSER. It opens Azure's sign-in pages at the server's own address, and any other page unchanged.

Example:

  midas exec -- sh -c 'midas browse https://login.microsoftonline.com/common/oauth2/authorize'`
}

// Run opens the page.
func (c *browseCommand) Run(to streams) error {
	page, err := atOwnOrigin(c.URL, os.Getenv("MIDAS_ENDPOINT"))
	if err != nil {
		return err
	}
	words := browser(os.Getenv(browserVariable))
	if words == nil {
		return errors.New("no browser was found; open " + page)
	}
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "%s", page)
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = to.out, to.err
	cmd.Env = replace(os.Environ(), nil, "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "BROWSER", "SSL_CERT_FILE")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("open %s: %w", page, err)
	}
	return nil
}

// atOwnOrigin replaces the origin of one of Azure's pages by the server's own. Other pages stay as they are.
func atOwnOrigin(page, origin string) (string, error) {
	u, err := url.Parse(page)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("%q is not the address of a page", page)
	}
	if azure.APIOf(u.Host) == azure.None {
		return page, nil
	}
	own, err := url.Parse(origin)
	if err != nil || own.Host == "" {
		return "", errors.New("MIDAS_ENDPOINT is not set: this command is for programs under midas exec")
	}
	u.Scheme, u.Host = own.Scheme, own.Host
	return u.String(), nil
}

// browser returns the words of the command that opens a page, with %s for the page's URL: the value of
// BROWSER if it is set, else the opener of the system, else nil.
func browser(own string) []string {
	if first := filepath.SplitList(own); len(first) > 0 && first[0] != "" {
		words := strings.Fields(first[0])
		if !strings.Contains(first[0], "%s") {
			words = append(words, "%s")
		}
		return words
	}
	opener := "xdg-open"
	switch {
	case runtime.GOOS == "darwin":
		opener = "open"
	case os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "":
		return nil
	}
	if _, err := exec.LookPath(opener); err != nil {
		return nil
	}
	return []string{opener, "%s"}
}
