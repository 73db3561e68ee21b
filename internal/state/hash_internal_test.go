package state

import (
	"strings"
	"testing"
)

// The values are from Azure, or from Microsoft's own implementation.
func TestUniqueStringIsThatOfAzure(t *testing.T) {
	for text, want := range map[string]string{
		"aaa": "zavj67f3en4hc", "bbb": "w5eragfxe33cy", "zzz": "cryksdzzzawae", "xxx-yyy-zzz": "lghi7k5js7itq", "tyeth": "zcztcwvu6iyg6", "hello-world": "a7wkljktk6wne",
		"/subscriptions/00000000-0000-0000-0000-000000000000-resource-id": "cwvxuqg24sifi",
	} {
		if got := uniqueString(text); got != want {
			t.Errorf("uniqueString(%s) = %s, want %s", strings.ReplaceAll(text, "-", ", "), got, want)
		}
	}
}
