//go:build cluster

package cluster

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/zap"
)

func TestEtcdsLinesAreFew(t *testing.T) {
	var out bytes.Buffer
	log := zap.New(newCore(slog.New(slog.NewTextHandler(&out, nil))))
	for range 100 {
		log.With(zap.String("peer", "x")).Warn("rejected connection", zap.Int("n", 7))
		log.Info("starting")
	}
	log.Error("another")
	log.Error("failed to update storage version")
	text := out.String()
	if strings.Count(text, "rejected connection") != 1 || !strings.Contains(text, "peer=x") || !strings.Contains(text, "n=7") || !strings.Contains(text, "of=etcd") ||
		strings.Contains(text, "starting") || strings.Contains(text, "storage version") || !strings.Contains(text, "level=ERROR") {
		t.Errorf("%s", text)
	}
}
