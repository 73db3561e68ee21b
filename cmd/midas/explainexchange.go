package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"midas/internal/client"
)

type explainExchangeCommand struct {
	administrator
	Token    string `required:"" help:"File with the token that the workload has presented; - reads the standard input." placeholder:"FILE"`
	ClientID string `required:"" name:"client-id" help:"Client id of the application or the managed identity." placeholder:"ID"`
	Output   string `short:"o" enum:"text,json" default:"text" help:"Form of the output: text or json. Default: text" placeholder:"FORM"`
	ExitCode bool   `help:"Exit with 3 if the exchange is refused."`
}

// Help is shown by midas explain exchange --help.
func (explainExchangeCommand) Help() string {
	return `The first line is the word granted or refused. The lines after it have the error that the token endpoint answers, and all that is wrong with the token: the credential that is nearest, the field that differs, and both values. If a credential for the token's issuer and subject would help, the command that makes it follows; run it only if you trust the issuer and the subject. The exit code is 0 for both answers, and 1 if there is no answer; with --exit-code it is 3 if the exchange is refused.

The token is sent to the server and is neither stored nor printed.

Examples:

  midas explain exchange --token /var/run/secrets/azure/tokens/azure-identity-token --client-id "$AZURE_CLIENT_ID"
  kubectl create token cart --audience api://AzureADTokenExchange | midas explain exchange --token - --client-id "$AZURE_CLIENT_ID"`
}

// Run prints an explanation.
func (c *explainExchangeCommand) Run(ctx context.Context, to streams) error {
	token, err := readToken(c.Token)
	if err != nil {
		return err
	}
	admin, err := c.open()
	if err != nil {
		return err
	}
	x, err := admin.ExplainExchange(ctx, c.ClientID, token)
	if err != nil {
		return err
	}
	text := exchangeText(x)
	if c.Output == "json" {
		if text, err = prettyJSON(x.Raw); err != nil {
			return err
		}
	}
	if err := print(to, text); err != nil {
		return err
	}
	if c.ExitCode && x.Verdict != "granted" {
		return exitDenied
	}
	return nil
}

// maxTokenFile bounds the file of a token, in bytes: twice the longest token that the server reads.
const maxTokenFile = 32 << 10

// readToken reads a token from a file, or from the standard input if the name is "-". Line breaks at its end are not
// part of the token: Azure's libraries remove them too.
func readToken(name string) (string, error) {
	from := io.Reader(os.Stdin)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("read the token: %w", err)
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxTokenFile+1))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimRight(string(data), "\r\n")
	switch {
	case len(data) > maxTokenFile:
		return "", fmt.Errorf("read the token: it is longer than %d bytes", maxTokenFile)
	case token == "":
		return "", errors.New("read the token: it is empty")
	}
	return token, nil
}

// exchangeText is an explanation for people. Values of the token and of credentials are quoted, with escapes for
// characters outside of ASCII, so that values that differ look different.
func exchangeText(x client.ExchangeExplanation) string {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintln(&out, printable(fmt.Sprintf(format, args...))) }
	line("%s", x.Verdict)
	if x.Error != nil {
		line("%s", x.Error.Message)
	}
	for _, reason := range x.Reasons {
		line("- %s", reason)
	}
	line("")
	line("client      %s %s (%s%s)", x.Client.ClientID, strconv.QuoteToASCII(x.Client.Name), x.Client.Type, map[bool]string{false: ", disabled"}[x.Client.Enabled])
	if c := x.Credential; c != nil {
		role := "nearest   "
		if x.Verdict == "granted" {
			role = "credential"
		}
		subject := "subject " + strconv.QuoteToASCII(c.Subject)
		if c.Expression != "" {
			subject = "expression " + strconv.QuoteToASCII(c.Expression)
		}
		line("%s  %s: issuer %s, %s, audience %s", role, strconv.QuoteToASCII(c.Name), strconv.QuoteToASCII(c.Issuer), subject, quotedList(c.Audiences))
	}
	if t := x.Token; t != nil {
		line("token       issuer %s, subject %s, audience %s", strconv.QuoteToASCII(t.Issuer), strconv.QuoteToASCII(t.Subject), quotedList(t.Audience))
		line("times       %s", times(x))
	}
	if len(x.Advice) > 0 {
		line("")
		line("If you trust this issuer and this subject, this makes a credential for them:")
		for _, command := range x.Advice {
			line("  %s", command)
		}
	}
	return out.String()
}

func quotedList(all []string) string {
	quoted := make([]string, len(all))
	for i, one := range all {
		quoted[i] = strconv.QuoteToASCII(one)
	}
	if len(all) == 0 {
		return "(none)"
	}
	return strings.Join(quoted, ", ")
}

// times lists the times of a token and of the server's clock.
func times(x client.ExchangeExplanation) string {
	var all []string
	for _, one := range []struct {
		name string
		at   *time.Time
	}{{"issued", x.Token.IssuedAt}, {"valid from", x.Token.NotBefore}, {"expires", x.Token.Expires}, {"server's clock", &x.ServerTime}} {
		if one.at != nil {
			all = append(all, one.name+" "+one.at.UTC().Format(time.RFC3339))
		}
	}
	return strings.Join(all, ", ")
}
