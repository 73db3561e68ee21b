package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
)

func dump(t *testing.T, st store.Store) {
	var at []any // the revisions: engines may skip numbers
	for _, kv := range [][2]string{
		{"z", `{"a": [1,  2], "b": "<&>"}`},
		{"a\x00b", `text`},
		{"\xff\xfe", `"\u0000"`},
		{"empty", ""},
		{"number", "1e400"},
		{"not utf-8", "\"\xff\""},
	} {
		at = append(at, put(t, st, kv[0], kv[1]))
	}
	var out bytes.Buffer
	if err := store.Dump(t.Context(), st, &out); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"key":"a\u0000b","revision":%[2]d,"valueBase64":"dGV4dA=="}
{"key":"empty","revision":%[4]d,"valueBase64":""}
{"key":"not utf-8","revision":%[6]d,"valueBase64":"Iv8i"}
{"key":"number","revision":%[5]d,"value":1e400}
{"key":"z","revision":%[1]d,"value":{"a":[1,2],"b":"<&>"}}
{"keyBase64":"//4=","revision":%[3]d,"value":"\u0000"}
`, at...)
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for line := range bytes.Lines(out.Bytes()) {
		if !json.Valid(line) {
			t.Errorf("not JSON: %s", line)
		}
	}
}
