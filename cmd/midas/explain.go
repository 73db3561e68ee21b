package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"midas/internal/client"
)

// exitDenied is the exit code of midas explain --exit-code for a denied action.
const exitDenied exitStatus = 3

// explainCommand says why something is allowed or refused. Without a subcommand it explains an action.
type explainCommand struct {
	Action   explainActionCommand   `cmd:"" default:"withargs" help:"Say whether a principal may perform an action, and why. The default."`
	Exchange explainExchangeCommand `cmd:"" help:"Say whether the token of another issuer is exchanged, and why."`
}

// Help is shown by midas explain --help.
func (explainCommand) Help() string {
	return `Without a subcommand, it explains an action: "midas explain action --help" lists the flags.

Examples:

  midas explain --principal alice@midas.localhost --action Microsoft.Compute/virtualMachines/write
  midas explain exchange --token token.jwt --client-id 5d5b1f6e-0000-4000-8000-000000000001`
}

type explainActionCommand struct {
	administrator
	Principal  string   `required:"" help:"Object id, user principal name, client id, or display name of a group or service principal." placeholder:"WHO"`
	Action     string   `required:"" help:"Action, such as Microsoft.Compute/virtualMachines/read." placeholder:"ACTION"`
	DataAction bool     `help:"The action is a data action."`
	Scope      string   `help:"Id of a management group, subscription, resource group or resource. Default: the subscription" placeholder:"ID"`
	Attribute  []string `help:"Value of an attribute that conditions read, such as request:Microsoft.Authorization/roleAssignments:PrincipalType=User. The source is request, resource or principal. Repeatable; a name given again adds a value." placeholder:"SOURCE:NAME=VALUE" sep:"none"`
	Output     string   `short:"o" enum:"text,json" default:"text" help:"Form of the output: text or json. Default: text" placeholder:"FORM"`
	ExitCode   bool     `help:"Exit with 3 if the action is denied."`
}

// Help is shown by midas explain action --help.
func (explainActionCommand) Help() string {
	return `The first line is the word allowed or denied. The lines after it say why: the role assignments that reach the scope, those that would allow the action elsewhere, a deny assignment, locks, and the smallest built-in role that would allow the action. The exit code is 0 for both answers, and 1 if there is no answer; with --exit-code it is 3 if the action is denied.

Examples:

  midas explain action --principal alice@midas.localhost --action Microsoft.Compute/virtualMachines/write
  midas explain --principal deployer --action Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read --data-action --scope "/subscriptions/$MIDAS_SUBSCRIPTION_ID/resourceGroups/rg1"
  midas explain --principal helpdesk --action Microsoft.Authorization/roleAssignments/write --attribute request:Microsoft.Authorization/roleAssignments:PrincipalType=User`
}

// Run prints an explanation.
func (c *explainActionCommand) Run(ctx context.Context, to streams) error {
	attributes, err := attributesOf(c.Attribute)
	if err != nil {
		return err
	}
	admin, err := c.open()
	if err != nil {
		return err
	}
	x, err := admin.Explain(ctx, client.Question{Principal: c.Principal, Action: c.Action, Data: c.DataAction, Scope: c.Scope, Attributes: attributes})
	if err != nil {
		return err
	}
	text := explanationText(x)
	if c.Output == "json" {
		if text, err = prettyJSON(x.Raw); err != nil {
			return err
		}
	}
	if err := print(to, text); err != nil {
		return err
	}
	if c.ExitCode && x.Verdict != "allowed" {
		return exitDenied
	}
	return nil
}

// prettyJSON indents JSON. Characters that cannot be seen are written as escapes, because a terminal could obey them.
func prettyJSON(raw json.RawMessage) (string, error) {
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, raw, "", "  "); err != nil {
		return "", fmt.Errorf("print: %w", err)
	}
	var out strings.Builder
	for _, r := range pretty.String() {
		if r < unicode.MaxASCII || unicode.IsPrint(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.String() + "\n", nil
}

// attributeSources are the sources that --attribute may name, as words and as conditions write them.
var attributeSources = map[string]string{
	"request": "request", "@Request": "request",
	"resource": "resource", "@Resource": "resource",
	"principal": "principal", "@Principal": "principal",
}

// attributesOf reads the values of --attribute, by source and name.
func attributesOf(given []string) (map[string]map[string]any, error) {
	all := map[string]map[string]any{}
	for _, text := range given {
		source, rest, colon := strings.Cut(text, ":")
		name, value, equals := strings.Cut(rest, "=")
		source, known := attributeSources[source]
		if !colon || !equals || name == "" || !known {
			return nil, fmt.Errorf("--attribute %q is not SOURCE:NAME=VALUE with the source request, resource or principal", text)
		}
		if all[source] == nil {
			all[source] = map[string]any{}
		}
		values, _ := all[source][name].([]any)
		all[source][name] = append(values, attributeValue(value))
	}
	return all, nil
}

// attributeValue is a truth value or a number if the text is one, and otherwise the text.
func attributeValue(text string) any {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err == nil {
		switch v.(type) {
		case bool, float64:
			return json.RawMessage(text)
		}
	}
	return text
}

// explanationText is an explanation for people.
func explanationText(x client.Explanation) string {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintln(&out, printable(fmt.Sprintf(format, args...))) }
	line("%s", x.Verdict)
	for _, reason := range x.Reasons {
		line("%s", reason)
	}
	line("")
	line("principal  %s %s %s (%s)", x.Principal.ID, x.Principal.Type, x.Principal.Name, x.Principal.State)
	line("action     %s", x.Action)
	line("scope      %s", x.Scope)
	if x.Deny != nil {
		line("deny       %s", x.Deny.ID)
	}
	for _, l := range x.Locks {
		line("lock       %s (%s)", l.ID, l.Level)
	}
	assignments(line, "role assignments that reach the scope:", x.Reaching)
	assignments(line, "role assignments with the action at other scopes:", x.NearMisses)
	if x.More {
		line("There are more role assignments; only the first ones are listed.")
	}
	if s := x.Suggestion; s != nil {
		line("")
		line("The smallest built-in role that would allow it: %s, at %s", s.RoleName, s.Scope)
		if s.Note != "" {
			line("%s", s.Note)
		}
	}
	return out.String()
}

// assignments prints a list of role assignments.
func assignments(line func(string, ...any), title string, all []client.ExplainedAssignment) {
	if len(all) == 0 {
		return
	}
	line("")
	line("%s", title)
	for _, a := range all {
		line("  %s at %s: %s", orUnknown(a.RoleName), a.Scope, a.Outcome)
		line("    %s", a.ID)
		if len(a.Via) > 0 {
			var groups []string
			for _, g := range a.Via {
				groups = append(groups, strings.TrimSpace(g.Name+" "+g.ID))
			}
			line("    through the groups: %s", strings.Join(groups, " > "))
		}
		if a.Action != "" {
			line("    matching action: %s", a.Action)
		}
		if a.NotAction != "" {
			line("    excluded by the not-action: %s", a.NotAction)
		}
		condition(line, a.Condition)
	}
}

func condition(line func(string, ...any), c *client.ExplainedCondition) {
	if c == nil {
		return
	}
	line("    condition: %s", c.Text)
	if c.Result != "" {
		line("    result: %s", strings.TrimSuffix(c.Result+": "+c.Reason, ": "))
	}
	for _, p := range c.Parts {
		line("      %s: %s", p.Result, p.Text)
		for _, v := range p.Values {
			line("        %s", v)
		}
	}
}

func orUnknown(role string) string {
	if role == "" {
		return "(a role that does not exist)"
	}
	return role
}

// printable removes the characters with which names could control a terminal or fake a line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, s)
}

// printableError is the text of an error, which may quote files and answers of others. It may have several lines.
func printableError(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}
