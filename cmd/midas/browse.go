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

// browseCommand is what midas exec gives to programs as their browser. The pages of a sign-in are
// looked at by a person in a browser that is not under midas exec, for which Azure's names are
// Azure's; so such a page is opened at the server's own origin, where it is the same.
type browseCommand struct {
	URL string `arg:"" help:"Page to open."`
}

// browserVariable is where midas exec keeps the caller's own BROWSER.
const browserVariable = "MIDAS_BROWSER"

// Help is shown by midas browse --help.
func (browseCommand) Help() string {
	return `Is the BROWSER of programs under "midas exec". Opens Azure's pages of a sign-in at the server itself, and any other page as it is.

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
		return errors.New("there is no browser here; open " + page)
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

// atOwnOrigin moves a page of Azure's to the server's own origin.
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

// browser gives the words that open a page, with %s for its address: those of BROWSER if that is
// set, else the system's, else nil.
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
