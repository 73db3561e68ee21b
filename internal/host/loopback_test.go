package host_test

import (
	"testing"

	"midas/internal/host"
)

func TestLoopbackIsThisMachineAlone(t *testing.T) {
	for name, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "localhost.": true, "127.0.0.1": true, "127.255.0.9": true, "::1": true, "[::1]": true,
		"0:0:0:0:0:0:0:1": true, "::ffff:127.0.0.1": true, "[::ffff:7f00:1]": true, "::1%lo": true,

		"": false, ".": false, "localhost..": false, "a.localhost": false, "localhost.example": false, "localhost:1": false, "127.0.0.1:1": false,
		"127.1": false, "127.0.0.01": false, "0x7f000001": false, "2130706433": false, "0.0.0.0": false, "::": false, "[::1": false, "::1]": false, "[localhost]x": false,
		"169.254.169.254": false, "fe80::1": false, "10.0.0.1": false, "::ffff:10.0.0.1": false, "127.0.0.1.example": false, "localho\u017ft": false, "ｌocalhost": false,
	} {
		if got := host.IsLoopback(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
