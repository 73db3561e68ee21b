package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// figures are the measured figures that the calculation needs.
type figures struct {
	signed    float64 // tokens a second that one replica signs
	creates   float64 // durable creates of identities a second
	etcd      float64 // transactions a second of an etcd with three members
	identity  float64 // bytes of an identity in the store
	waiting   float64 // bytes of memory for a host that waits for changes
	perSecond float64 // cached tokens a second that one replica gives to hosts
}

// readFigures reads them from the tables of the page. An error names a row that is missing.
func readFigures(page string) (f figures, err error) {
	for _, row := range []struct {
		begins string
		to     *float64
		unit   float64
	}{
		{"token by secret, cold,", &f.signed, 1},
		{"PUT of new identities, durable, beside the store alone", &f.creates, 1},
		{"transactions of etcd alone, three members, 64 writers", &f.etcd, 1},
		{"bytes on disk an identity,", &f.identity, 1},
		{"memory for a host that waits for changes,", &f.waiting, 1 << 10},
		{"tokens for hosts over mutual TLS,", &f.perSecond, 1},
	} {
		value, err := figure(page, row.begins)
		if err != nil {
			return f, err
		}
		*row.to = value * row.unit
	}
	return f, nil
}

// number is a figure at the beginning of a cell of a table, such as "1,585/s" and "36 KiB".
var number = regexp.MustCompile(`^[\d,]+(?:\.\d+)?`)

// figure returns the second column of the row that begins with the text.
func figure(page, begins string) (float64, error) {
	for line := range strings.Lines(page) {
		row, is := strings.CutPrefix(line, "| "+begins)
		if !is {
			continue
		}
		columns := strings.Split(row, "|")
		if len(columns) < 2 {
			continue
		}
		text := strings.ReplaceAll(number.FindString(strings.TrimSpace(columns[1])), ",", "")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || value <= 0 {
			return 0, fmt.Errorf("the row %q has no figure in its second column", begins)
		}
		return value, nil
	}
	return 0, fmt.Errorf("the page has no row %q", begins)
}
