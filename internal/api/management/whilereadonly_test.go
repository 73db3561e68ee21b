package management_test

import (
	"net/http"
	"testing"

	"midas/internal/lock"
)

// TestQuestionsAreAnsweredWhileReadOnly checks that each POST that changes nothing is served in a cancelled subscription.
func TestQuestionsAreAnsweredWhileReadOnly(t *testing.T) {
	s := newStack(t)
	for _, op := range s.management.Surface() {
		if op.Method == http.MethodPost && op.Locks == lock.Read && !op.WhileReadOnly {
			t.Errorf("POST %s is refused in a cancelled subscription, although it changes nothing", op.Type)
		}
	}
	s.want(t, 200, "owner", "POST", "{sub}/providers/Microsoft.Subscription/cancel"+al21, "")
	s.want(t, 200, "owner", "POST", "{sub}/providers/Microsoft.Authorization/checkAccess?api-version=2018-09-01-preview",
		`{"Subject":{"Attributes":{"ObjectId":"`+s.callers["owner"].ID+`"}},"Actions":[{"Id":"Microsoft.Resources/subscriptions/read"}],"Resource":{"Id":"/subscriptions/`+sub+`"}}`)
}
