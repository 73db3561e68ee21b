package federation

import (
	"fmt"
	"strings"
)

// Words says in one sentence or two how the assertion differs from the nearest credential, with both values. It is for
// logs and for those who may read the credentials.
func (m *Mismatch) Words() string {
	c := m.Nearest
	if c == nil {
		return m.Error()
	}
	presented, configured := clip(m.Presented), c.value(m.Field)
	var text string
	var d Difference
	switch {
	case m.Field == Issuer:
		d, text = differIssuer(presented, configured)
	case m.Field == Subject && c.Expression != "":
		return fmt.Sprintf("The subject %s or another claim does not match the expression of the credential %s: %s", shown(presented), shown(c.Name), clip(c.Expression))
	case m.Field == Subject:
		d, text = differSubject(presented, configured)
	case strings.Contains(presented, ","):
		d, text = Several, "A token with several audiences is refused."
	default:
		d, text = differ(presented, configured)
	}
	return differs(m.Field, c, presented, configured, d, text).Text
}
