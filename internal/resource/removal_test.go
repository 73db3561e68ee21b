package resource_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// stored puts records as another version of Midas has written them.
func stored(t *testing.T, st store.Store, values map[string]string) {
	t.Helper()
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		for key, value := range values {
			tx.Put(key, []byte(value))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// widget returns a resource's record of the current version with a secret in its properties and another one
// beside them, which older rules did not recognise.
func widget(id arm.ID, more string) string {
	return fmt.Sprintf(`{"v":2%s,"id":%q,"type":"Contoso.Things/widgets","name":%q,"state":"Succeeded","properties":{"restAuthCredential.password":%q,"n":1},"extra":{"password2":%q}}`,
		more, id, id.Name(), canary, canary)
}

// Reads hide the secrets that only newer rules recognise, and RemoveSecrets removes them, although an earlier
// version has removed secrets before.
func TestSecretsOfNewerRulesAreRemoved(t *testing.T) {
	for name, test := range map[string]struct{ note, record string }{
		"removed before rules had numbers": {`{"v":1}`, ""},
		"removed by older rules":           {`{"v":1,"rules":1}`, `,"secretRules":1`},
	} {
		t.Run(name, func(t *testing.T) {
			st := storetest.Memory(t)
			s := newService(t, st)
			group := sub + "/resourceGroups/a"
			putGroup(t, s, group, "eastus", nil)
			values := map[string]string{"m/secrets": test.note}
			var last arm.ID
			for i := range 70 { // more than one transaction rewrites
				last = id(t, fmt.Sprintf("%s/providers/Contoso.Things/widgets/w%d", group, i))
				values["r/"+last.Key()] = widget(last, test.record)
			}
			stored(t, st, values)
			check := func(when string) {
				t.Helper()
				rec, err := s.Find(t.Context(), last)
				if all, _ := json.Marshal(rec); err != nil || bytes.Contains(all, []byte(canary)) || !bytes.Contains(all, []byte(`"n":1`)) {
					t.Errorf("%s: %s %v", when, all, err)
				}
				page, err := s.All(t.Context(), id(t, group), resource.Part{Limit: 200})
				if all, _ := json.Marshal(page.Records); err != nil || len(page.Records) == 0 || bytes.Contains(all, []byte(canary)) {
					t.Errorf("%s: a list of %d: %v", when, len(page.Records), err)
				}
			}
			check("before")
			adopt := func(rec resource.Record) (resource.Record, error) { return rec, nil }
			if err := s.RemoveSecrets(t.Context(), adopt); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(dumped(t, st), canary) {
				t.Error("a secret is still in the store")
			}
			check("after")
		})
	}
}

// The second call writes nothing.
func TestRemoveSecretsRunsOnceForEachVersionOfTheRules(t *testing.T) {
	st := storetest.Memory(t)
	s := newService(t, st)
	group := sub + "/resourceGroups/a"
	putGroup(t, s, group, "eastus", nil)
	w := id(t, group+"/providers/Contoso.Things/widgets/w")
	adopted := 0
	adopt := func(rec resource.Record) (resource.Record, error) { adopted++; return rec, nil }
	remove := func() {
		t.Helper()
		if err := s.RemoveSecrets(t.Context(), adopt); err != nil {
			t.Fatal(err)
		}
	}
	stored(t, st, map[string]string{"r/" + w.Key(): widget(w, "")})
	remove()
	before := dumped(t, st)
	remove()
	if adopted != 1 || dumped(t, st) != before {
		t.Errorf("%d records were written, want 1", adopted)
	}
	// A newer version has run before. This version writes by older rules, so the newer one must check again.
	stored(t, st, map[string]string{"m/secrets": `{"v":1,"rules":1000}`})
	remove()
	if adopted != 1 || strings.Contains(dumped(t, st), `"rules":1000`) {
		t.Errorf("after a newer version: %d records were written, want 1; %.100s", adopted, dumped(t, st))
	}
}
