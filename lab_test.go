package midas_test

import (
	"strings"
	"testing"

	"midas"
)

func TestWriteConflictsNeedALaboratory(t *testing.T) {
	server, err := midas.Start(t.Context(), midas.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", Store: "memory:", LabWriteConflicts: true})
	if err == nil {
		_ = server.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "labWriteConflicts") {
		t.Errorf("a server without lab starts with write conflicts: %v", err)
	}
}
