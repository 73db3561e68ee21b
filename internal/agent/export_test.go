package agent

import (
	"encoding/pem"
	"testing"
	"time"
)

// Shown is the certificate, in PEM, that a credential shows at some time.
func Shown(t *testing.T, c Credential, at time.Time) string {
	t.Helper()
	l, err := newLink(c, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.leaf().Raw}))
}
