package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
)

type labCommand struct {
	Status  labStatusCommand  `cmd:"" help:"Show what is in force."`
	Clock   labClockCommand   `cmd:"" help:"Show, move, stop or start the clock of the server."`
	Fault   labFaultCommand   `cmd:"" help:"Let requests fail, wait or be answered slowly."`
	Delay   labDelayCommand   `cmd:"" help:"Delay role assignments and new principals, refuse concurrent writes, count requests down."`
	Reset   labResetCommand   `cmd:"" help:"Return to the state of the start, or of the last capture."`
	Capture labCaptureCommand `cmd:"" help:"Make the present state that to which reset returns."`
}

// Help is shown by midas lab --help.
func (labCommand) Help() string {
	return `These commands change a running server that was started with --lab, so that programs can be tested with it. docs/lab.md describes them.

Example:

  midas lab clock --advance 2h
  midas lab fault add --preset imds-410 --count 2
  midas lab reset`
}

// laboratory has the flag of the commands that change a laboratory.
type laboratory struct{ administrator }

// send sends a request and prints the answer.
func (l laboratory) send(ctx context.Context, to streams, method, path string, body any) error {
	admin, err := l.open()
	if err != nil {
		return err
	}
	answer, err := admin.Lab(ctx, method, path, body)
	if err != nil || answer == nil {
		return err
	}
	return printJSON(to, answer)
}

type labStatusCommand struct{ laboratory }

// Help is shown by midas lab status --help.
func (labStatusCommand) Help() string {
	return `Prints the clock, the faults, the delays and the number of reserved ids as JSON.

Example:

  midas lab status`
}

// Run prints what is in force.
func (c *labStatusCommand) Run(ctx context.Context, to streams) error {
	return c.send(ctx, to, http.MethodGet, "", nil)
}

type labClockCommand struct {
	laboratory
	Advance time.Duration `help:"Move the clock forward by this time." placeholder:"DURATION" xor:"move"`
	Set     string        `help:"Move the clock forward to this time, as RFC 3339." placeholder:"TIME" xor:"move"`
	Stop    bool          `help:"Stop the clock." xor:"run"`
	Start   bool          `help:"Let a clock run again that was stopped." xor:"run"`
}

// Help is shown by midas lab clock --help.
func (labClockCommand) Help() string {
	return `Tokens, secrets, certificates, keys, sign-ins, limits and jobs follow the clock. It moves forwards only; midas lab reset returns it to the time of the machine. Without a flag the command prints the clock.

Examples:

  midas lab clock
  midas lab clock --advance 2h
  midas lab clock --stop --set 2030-01-01T00:00:00Z
  midas lab clock --start`
}

// Run moves the clock, and prints it.
func (c *labClockCommand) Run(ctx context.Context, to streams) error {
	change := map[string]any{}
	if c.Advance != 0 {
		change["advance"] = c.Advance.String()
	}
	if c.Set != "" {
		change["set"] = c.Set
	}
	if c.Stop {
		change["stop"] = true
	}
	if c.Start {
		change["start"] = true
	}
	if len(change) == 0 {
		return c.send(ctx, to, http.MethodGet, "/clock", nil)
	}
	return c.send(ctx, to, http.MethodPost, "/clock", change)
}

type labFaultCommand struct {
	Add    labFaultAddCommand    `cmd:"" help:"Add a fault."`
	List   labFaultListCommand   `cmd:"" help:"List the faults, and the names of the presets."`
	Delete labFaultDeleteCommand `cmd:"" help:"Delete a fault, or all."`
}

// Help is shown by midas lab fault --help.
func (labFaultCommand) Help() string {
	return `The first fault that a request matches changes its answer. /healthz and /lab/v1 have no faults.

Example:

  midas lab fault add --api arm --method PUT --status 503 --share 0.2
  midas lab fault list
  midas lab fault delete --all`
}

type labFaultAddCommand struct {
	laboratory
	Preset string `help:"Name of a fault that Azure's documentation describes; the other flags change it." placeholder:"NAME"`
	Name   string `help:"Name of the fault. Default: the server chooses one" placeholder:"NAME"`

	API       string `help:"Only requests to arm, graph, login, metadata, hosts or checkaccess." name:"api" placeholder:"API"`
	Operation string `help:"Only requests of this operation, as the server's log names it; * stands for any characters." placeholder:"PATTERN"`
	Method    string `help:"Only requests with this method." placeholder:"METHOD"`
	Path      string `help:"Only requests with this path; * stands for any characters." placeholder:"PATTERN"`
	Client    string `help:"Only requests of the client with this client id, object id or user agent; * stands for any characters." placeholder:"PATTERN"`
	Host      string `help:"Only requests to this host name; * stands for any characters." placeholder:"PATTERN"`

	Share *float64 `help:"Share of the requests, from 0 to 1. Default: 1" placeholder:"NUMBER"`
	Seed  uint64   `help:"Seed of the choice of the share. Default: 0" placeholder:"N"`
	Count int      `help:"Number of requests, after which the fault has no effect. Default: no limit" placeholder:"N"`

	Delay      time.Duration `help:"Wait before the request is served." placeholder:"DURATION"`
	Status     int           `help:"Status of the answer, from 400 to 599." placeholder:"N"`
	Code       string        `help:"Error code of the answer, such as SubscriptionRequestsThrottled or AADSTS50196." placeholder:"CODE"`
	Message    string        `help:"Text of the error." placeholder:"TEXT"`
	RetryAfter time.Duration `help:"Retry-After of the answer." placeholder:"DURATION"`
	Reset      bool          `help:"Reset the connection instead of an answer."`
	SlowBody   time.Duration `help:"Send the body of the answer for this time." placeholder:"DURATION"`
	Body       *string       `help:"Body of the answer." placeholder:"TEXT"`
}

// Help is shown by midas lab fault add --help.
func (labFaultAddCommand) Help() string {
	return `The answer has the error format of its API. Prints the fault.

Examples:

  midas lab fault add --preset imds-410 --count 2
  midas lab fault add --api arm --status 429 --retry-after 5s --share 0.5 --seed 7
  midas lab fault add --operation 'Microsoft.ManagedIdentity/*/write' --reset --count 1
  midas lab fault add --api login --client 04b07795-8ddb-461a-bbee-02f9e1bf7b46 --status 400 --code AADSTS50196
  midas lab fault add --api graph --delay 2s --slow-body 5s`
}

// Run adds the fault.
func (c *labFaultAddCommand) Run(ctx context.Context, to streams) error {
	match := map[string]any{}
	rule := map[string]any{"match": match}
	set := func(in map[string]any, name, value string) {
		if value != "" {
			in[name] = value
		}
	}
	for name, value := range map[string]string{
		"api": c.API, "operation": c.Operation, "method": c.Method, "path": c.Path, "client": c.Client, "host": c.Host,
	} {
		set(match, name, value)
	}
	for name, value := range map[string]string{"preset": c.Preset, "name": c.Name, "code": c.Code, "message": c.Message} {
		set(rule, name, value)
	}
	for name, value := range map[string]time.Duration{"delay": c.Delay, "retryAfter": c.RetryAfter, "slowBody": c.SlowBody} {
		if value != 0 {
			rule[name] = value.String()
		}
	}
	for name, value := range map[string]int{"count": c.Count, "status": c.Status} {
		if value != 0 {
			rule[name] = value
		}
	}
	rule["seed"], rule["reset"] = c.Seed, c.Reset
	if c.Share != nil {
		rule["share"] = *c.Share
	}
	if c.Body != nil {
		rule["body"] = *c.Body
	}
	return c.send(ctx, to, http.MethodPost, "/faults", rule)
}

type labFaultListCommand struct{ laboratory }

// Help is shown by midas lab fault list --help.
func (labFaultListCommand) Help() string {
	return `Prints the faults as JSON, in the order in which they are tried, with the number of requests that each has changed.

Example:

  midas lab fault list`
}

// Run lists the faults.
func (c *labFaultListCommand) Run(ctx context.Context, to streams) error {
	return c.send(ctx, to, http.MethodGet, "/faults", nil)
}

type labFaultDeleteCommand struct {
	laboratory
	Name string `arg:"" optional:"" help:"Name of the fault."`
	All  bool   `help:"Delete all faults."`
}

// Help is shown by midas lab fault delete --help.
func (labFaultDeleteCommand) Help() string {
	return `Examples:

  midas lab fault delete fault1
  midas lab fault delete --all`
}

// Run deletes faults.
func (c *labFaultDeleteCommand) Run(ctx context.Context, to streams) error {
	if (c.Name == "") != c.All {
		return errors.New("name a fault, or use --all")
	}
	path := "/faults"
	if !c.All {
		path += "/" + url.PathEscape(c.Name)
	}
	return c.send(ctx, to, http.MethodDelete, path, nil)
}

type labDelayCommand struct {
	laboratory
	RoleAssignments time.Duration `help:"How long new role assignments have no effect." placeholder:"DURATION"`
	Principals      time.Duration `help:"How long role assignments do not find new principals (PrincipalNotFound)." placeholder:"DURATION"`
	Conflicts       bool          `help:"Refuse concurrent writes to the federated credentials of one identity with 409."`
	Reads           *int          `help:"Reads of Azure Resource Manager before 429, which x-ms-ratelimit-remaining-subscription-reads counts down." placeholder:"N"`
	Writes          *int          `help:"The same for writes." placeholder:"N"`
	Deletes         *int          `help:"The same for deletions." placeholder:"N"`
	Per             time.Duration `help:"Time after which the numbers begin anew. Default: 1h" placeholder:"DURATION"`
	None            bool          `help:"End all delays."`
}

// Help is shown by midas lab delay --help.
func (labDelayCommand) Help() string {
	return `Replaces what was set before, and applies to what is created from now on. Without a flag the command prints what is in force.

Examples:

  midas lab delay --role-assignments 5m --principals 30s
  midas lab delay --conflicts --reads 100 --writes 10 --per 1m
  midas lab delay --none`
}

// Run sets the delays.
func (c *labDelayCommand) Run(ctx context.Context, to streams) error {
	throttle := map[string]any{}
	for name, n := range map[string]*int{"reads": c.Reads, "writes": c.Writes, "deletes": c.Deletes} {
		if n != nil {
			throttle[name] = *n
		}
	}
	if c.Per != 0 {
		throttle["per"] = c.Per.String()
	}
	change := map[string]any{"roleAssignments": c.RoleAssignments.String(), "principals": c.Principals.String(), "federatedCredentialConflicts": c.Conflicts}
	if len(throttle) > 0 {
		change["throttle"] = throttle
	}
	switch {
	case c.None:
		return c.send(ctx, to, http.MethodDelete, "/delays", nil)
	case c.RoleAssignments == 0 && c.Principals == 0 && !c.Conflicts && len(throttle) == 0:
		return c.send(ctx, to, http.MethodGet, "/delays", nil)
	}
	return c.send(ctx, to, http.MethodPut, "/delays", change)
}

type labResetCommand struct{ laboratory }

// Help is shown by midas lab reset --help.
func (labResetCommand) Help() string {
	return `Objects, sign-ins, faults, delays, reserved ids and the clock return to the state of the start, or of the last capture.

Example:

  midas lab reset`
}

// Run resets the server.
func (c *labResetCommand) Run(ctx context.Context, to streams) error {
	return c.send(ctx, to, http.MethodPost, "/reset", nil)
}

type labCaptureCommand struct{ laboratory }

// Help is shown by midas lab capture --help.
func (labCaptureCommand) Help() string {
	return `Example:

  midas lab capture`
}

// Run captures the state.
func (c *labCaptureCommand) Run(ctx context.Context, to streams) error {
	return c.send(ctx, to, http.MethodPut, "/reset", nil)
}
