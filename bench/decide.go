package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
)

// decisions measures decisions in process, with 100,000 role assignments: it runs BenchmarkDecide, which has no
// server beside it, and prints the median and the 99th percentile of each case.
func (b *bench) decisions(*target) error {
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkDecide$", "./internal/rbac").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	rows := 0
	for line := range bytes.Lines(out) {
		fields := strings.Fields(string(line))
		if len(fields) == 0 || !strings.HasPrefix(fields[0], "BenchmarkDecide/") {
			continue
		}
		value := make(map[string]string)
		for i := 2; i+1 < len(fields); i += 2 {
			value[fields[i+1]] = fields[i]
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(fields[0], "BenchmarkDecide/"), "-")
		fmt.Printf("| decision, %s | p50 %s ns | p99 %s ns | |\n", strings.ReplaceAll(name, "_", " "), value["p50-ns"], value["p99-ns"])
		rows++
	}
	if rows == 0 {
		return fmt.Errorf("no result in\n%s", out)
	}
	return nil
}
