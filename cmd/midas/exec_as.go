package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"midas"
)

// workload is who a command runs as. The zero value is nobody in particular.
type workload struct {
	agent     *midas.Agent
	metadata  string // HOST:PORT of the metadata service
	variables []variable
}

// agent starts the agent of the resource as which the command is to run, if there is one.
func (c *execCommand) agent(ctx context.Context, client *midas.Client) (workload, error) {
	if c.As == "" {
		return workload{}, nil
	}
	a, err := client.StartAgent(ctx, c.As, midas.AgentConfig{
		Log: midas.LogConfig{Level: slog.LevelWarn}, // the command's own words come first
		Endpoints: []midas.EndpointConfig{
			{Flavour: "imds", Listen: "127.0.0.1:0"}, {Flavour: "app-service", Listen: "127.0.0.1:0"},
		},
	})
	if err != nil {
		return workload{}, err
	}
	w := workload{agent: a, metadata: strings.TrimPrefix(a.URLs()[0], "http://")}
	for _, v := range a.Environment() {
		w.variables = append(w.variables, variable{v.Name, v.Value})
	}
	return w, nil
}

func (w workload) close() error {
	if w.agent == nil {
		return nil
	}
	return w.agent.Close()
}

// own are the variables of a server that are not its administrator's: all that a workload is told.
func (w workload) own(all []variable) []variable {
	if w.agent == nil {
		return all
	}
	return slices.DeleteFunc(all, func(v variable) bool {
		switch v.name {
		case "MIDAS_ENDPOINT", "MIDAS_TENANT_ID", "MIDAS_SUBSCRIPTION_ID", "MIDAS_CA":
			return false
		}
		return true
	})
}
