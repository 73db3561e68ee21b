// Package prometheus tests the alert rules in packaging/observability with Prometheus' own parser and engine. The tests
// are in promtool's format, and promtool test rules gives the same result; promtool itself takes minutes to compile.
package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/template"
	"go.yaml.in/yaml/v3"
)

const folder = "../../packaging/observability"

// file is a file of tests in promtool's format, as far as it is used.
type file struct {
	RuleFiles []string       `yaml:"rule_files"`
	Interval  model.Duration `yaml:"evaluation_interval"`
	Fuzzy     bool           `yaml:"fuzzy_compare"`
	Tests     []group        `yaml:"tests"`
}

type group struct {
	Name     string         `yaml:"name"`
	Interval model.Duration `yaml:"interval"`
	Series   []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	Alerts []check `yaml:"alert_rule_test"`
}

// check says which alerts of a name fire at a time.
type check struct {
	At     model.Duration `yaml:"eval_time"`
	Name   string         `yaml:"alertname"`
	Expect []alert        `yaml:"exp_alerts"`
}

type alert struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

func TestAlertRules(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(folder, "alerts_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var tests file
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&tests); err != nil {
		t.Fatal(err)
	}
	p := parser.NewParser(parser.Options{})
	rules := readRules(t, p, tests.RuleFiles)
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: slog.New(slog.DiscardHandler), MaxSamples: math.MaxInt32, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, EnableNegativeOffset: true, Parser: p,
	})
	fired := map[string]bool{}
	for _, g := range tests.Tests {
		t.Run(g.Name, func(t *testing.T) {
			data := read(t, p, g)
			for _, c := range g.Alerts {
				rule, ok := rules[c.Name]
				if !ok {
					t.Fatalf("there is no rule %s", c.Name)
				}
				got := evaluate(t, engine, data, rule, time.Duration(tests.Interval), time.Duration(c.At))
				if want := describe(c.Expect); got != want {
					t.Errorf("%s at %s:\n%s, want\n%s", c.Name, c.At, got, want)
				}
				fired[c.Name] = fired[c.Name] || len(c.Expect) > 0
			}
		})
	}
	for name := range rules {
		if !fired[name] {
			t.Errorf("no test lets %s fire", name)
		}
	}
}

// readRules reads files of rules as Prometheus does.
func readRules(t *testing.T, p parser.Parser, files []string) map[string]rulefmt.Rule {
	t.Helper()
	all := map[string]rulefmt.Rule{}
	for _, name := range files {
		groups, errs := rulefmt.ParseFile(filepath.Join(folder, name), false, model.UTF8Validation, p, slog.New(slog.DiscardHandler))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for _, g := range groups.Groups {
			for _, r := range g.Rules {
				if all[r.Alert].Alert != "" || r.Alert == "" {
					t.Errorf("%q is defined twice, or is no alert", r.Alert)
				}
				all[r.Alert] = r
			}
		}
	}
	return all
}

// read expands the series of a test.
func read(t *testing.T, p parser.Parser, g group) memory {
	t.Helper()
	var all memory
	for _, s := range g.Series {
		of, values, err := p.ParseSeriesDesc(s.Series + " " + s.Values)
		if err != nil {
			t.Fatal(err)
		}
		one := series{labels: of}
		for i, v := range values {
			if !v.Omitted {
				one.samples = append(one.samples, sample{int64(i) * time.Duration(g.Interval).Milliseconds(), v.Value})
			}
		}
		all = append(all, one)
	}
	return all
}

// evaluate returns the alerts of a rule that fire at a time: those whose expression had a value at each evaluation for as
// long as the rule says.
func evaluate(t *testing.T, engine *promql.Engine, data memory, rule rulefmt.Rule, every, at time.Duration) string {
	t.Helper()
	query, err := engine.NewRangeQuery(t.Context(), data, nil, rule.Expr, time.UnixMilli(0), time.UnixMilli(at.Milliseconds()), every)
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	matrix, err := query.Exec(t.Context()).Matrix()
	if err != nil {
		t.Fatal(err)
	}
	var fire []alert
	for _, s := range matrix {
		last := len(s.Floats) - 1
		if last < 0 || s.Floats[last].T != at.Milliseconds() {
			continue
		}
		first := last
		for first > 0 && s.Floats[first].T-s.Floats[first-1].T == every.Milliseconds() {
			first--
		}
		if time.Duration(s.Floats[last].T-s.Floats[first].T)*time.Millisecond < time.Duration(rule.For) {
			continue
		}
		fire = append(fire, expand(t, rule, s.Metric, s.Floats[last].F))
	}
	return describe(fire)
}

// expand makes the alert of one result of a rule.
func expand(t *testing.T, rule rulefmt.Rule, metric labels.Labels, value float64) alert {
	t.Helper()
	a := alert{Labels: map[string]string{}, Annotations: map[string]string{}}
	metric.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel {
			a.Labels[l.Name] = l.Value
		}
	})
	data := template.AlertTemplateData(maps.Clone(a.Labels), nil, "", promql.Sample{F: value, Metric: metric})
	for to, texts := range map[*map[string]string]map[string]string{&a.Labels: rule.Labels, &a.Annotations: rule.Annotations} {
		for name, text := range texts {
			e := template.NewTemplateExpander(context.Background(), "{{$labels := .Labels}}{{$value := .Value}}"+text, rule.Alert, data, 0, nil, &url.URL{}, nil)
			expanded, err := e.Expand()
			if err != nil {
				t.Fatal(err)
			}
			(*to)[name] = expanded
		}
	}
	return a
}

func describe(all []alert) string {
	var lines []string
	for _, a := range all {
		lines = append(lines, fmt.Sprint(a.Labels, a.Annotations))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// The queries of the dashboard are PromQL that Prometheus accepts.
func TestDashboardQueriesAreValid(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(folder, "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	p, queries := parser.NewParser(parser.Options{}), 0
	for _, panel := range board.Panels {
		for _, q := range panel.Targets {
			queries++
			if _, err := p.ParseExpr(strings.ReplaceAll(q.Expr, "$__rate_interval", "5m")); err != nil {
				t.Errorf("%s: %s: %v", panel.Title, q.Expr, err)
			}
		}
	}
	if queries < 20 {
		t.Errorf("%d queries", queries)
	}
}
