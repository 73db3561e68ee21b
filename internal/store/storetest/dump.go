package storetest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
)

func dump(t *testing.T, st store.Store) {
	for _, kv := range [][2]string{
		{"z", `{"a": [1,  2], "b": "<&>"}`},
		{"a\x00b", `text`},
		{"\xff\xfe", `"\u0000"`},
		{"empty", ""},
		{"number", "1e400"},
		{"not utf-8", "\"\xff\""},
	} {
		put(t, st, kv[0], kv[1])
	}
	var out bytes.Buffer
	if err := store.Dump(t.Context(), st, &out); err != nil {
		t.Fatal(err)
	}
	want := `{"key":"a\u0000b","revision":2,"valueBase64":"dGV4dA=="}
{"key":"empty","revision":4,"valueBase64":""}
{"key":"not utf-8","revision":6,"valueBase64":"Iv8i"}
{"key":"number","revision":5,"value":1e400}
{"key":"z","revision":1,"value":{"a":[1,2],"b":"<&>"}}
{"keyBase64":"//4=","revision":3,"value":"\u0000"}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for line := range bytes.Lines(out.Bytes()) {
		if !json.Valid(line) {
			t.Errorf("not JSON: %s", line)
		}
	}
}
