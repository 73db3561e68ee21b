package trace

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"midas/internal/arm"
)

// FromEnvironment reads the variables that OpenTelemetry defines for all programs ("Environment Variable
// Specification" and "OTLP Exporter Configuration"), as far as they apply to Midas. get is os.Getenv. The result has
// no endpoint if the variables name none or turn traces off.
func FromEnvironment(get func(string) string) (c Config, err error) {
	if TurnedOff(get) {
		return Config{}, nil
	}
	either := func(name string) (value, from string) { // the setting for traces, else that for all signals
		for _, from := range []string{"OTEL_EXPORTER_OTLP_TRACES_" + name, "OTEL_EXPORTER_OTLP_" + name} {
			if value := get(from); value != "" {
				return value, from
			}
		}
		return "", ""
	}
	endpoint, from := either("ENDPOINT")
	if endpoint == "" {
		return Config{}, nil
	}
	if c.Endpoint, c.Exact = endpoint, true; from == "OTEL_EXPORTER_OTLP_ENDPOINT" {
		c.Endpoint = strings.TrimRight(endpoint, "/") + "/v1/traces"
	}
	if protocol, from := either("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return Config{}, fmt.Errorf("%s: %q is not supported, only http/protobuf is", from, protocol)
	}
	c.CA, _ = either("CERTIFICATE")
	list, from := either("HEADERS")
	if c.Headers, err = fields(list, Field.isHeader); err != nil {
		return Config{}, fmt.Errorf("%s: %w", from, err)
	}
	if c.Resource, err = fields(get("OTEL_RESOURCE_ATTRIBUTES"), Field.isAttribute); err != nil {
		return Config{}, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	c.Service = get("OTEL_SERVICE_NAME")
	return c, c.sampler(get("OTEL_TRACES_SAMPLER"), get("OTEL_TRACES_SAMPLER_ARG"))
}

// TurnedOff reports whether the variables of OpenTelemetry turn traces off, whatever the others say.
func TurnedOff(get func(string) string) bool {
	return arm.SameName(get("OTEL_SDK_DISABLED"), "true") || arm.SameName(get("OTEL_TRACES_EXPORTER"), "none")
}

// sampler sets the ratio. The sampler of a parent has no effect, because only the setting traces.trust says whose
// decision counts.
func (c *Config) sampler(name, argument string) error {
	ratio := 1.0
	switch strings.TrimPrefix(name, "parentbased_") {
	case "", "always_on":
	case "always_off":
		ratio = 0
	case "traceidratio":
		if argument == "" {
			break
		}
		r, err := strconv.ParseFloat(argument, 64)
		if err != nil || !(r >= 0 && r <= 1) {
			return fmt.Errorf("OTEL_TRACES_SAMPLER_ARG: %q is not between 0 and 1", argument)
		}
		ratio = r
	default:
		return fmt.Errorf("OTEL_TRACES_SAMPLER: %q is not supported", name)
	}
	c.Ratio = &ratio
	return nil
}

// fields reads a list name=value,name=value, whose values are percent-encoded. Errors contain no value.
func fields(list string, valid func(Field) bool) (all []Field, err error) {
	for i, pair := range strings.Split(list, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		f := Field{strings.TrimSpace(name), value}
		if !ok || err != nil || !valid(f) {
			return nil, fmt.Errorf("entry %d is not name=value", i+1)
		}
		all = append(all, f)
	}
	return all, nil
}
