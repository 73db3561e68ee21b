package login

import (
	"net/http"
	"strconv"
	"strings"

	"midas/internal/api/httpx"
)

// errInjected maps a fault of a laboratory. Its code is an AADSTS number, or a code of OAuth; then its message may begin
// with an AADSTS number: AADSTS50076: text.
func errInjected(err error) error {
	f := httpx.AsFault(err)
	if f == nil {
		return err
	}
	e := &Error{Status: f.Status, Code: f.Code, Text: f.Message, RetryAfter: f.RetryAfter, cause: err}
	if number, found := numberOf(f.Code); found {
		e.Number, e.Code = number, injectedCode(f.Status, number)
		return e
	}
	if begin, text, colon := strings.Cut(f.Message, ":"); colon {
		if number, found := numberOf(begin); found {
			e.Number, e.Text = number, strings.TrimSpace(text)
			return e
		}
	}
	e.Number = 90033
	if f.Status < http.StatusInternalServerError && f.Status != http.StatusTooManyRequests {
		e.Number = 9002313
	}
	return e
}

// numberOf returns the number of a code such as AADSTS50076.
func numberOf(code string) (number int, found bool) {
	digits, prefixed := strings.CutPrefix(code, "AADSTS")
	parsed, err := strconv.ParseUint(digits, 10, 31)
	return int(parsed), prefixed && err == nil
}

// injectedCode returns the OAuth error code of an AADSTS number. The status decides where the number has none of its own:
// only a client that is not authenticated gets 401 (RFC 6749, 5.2).
func injectedCode(status, number int) string {
	switch {
	case status == http.StatusInternalServerError:
		return "server_error"
	case status > http.StatusInternalServerError, status == http.StatusTooManyRequests:
		return "temporarily_unavailable"
	}
	if code, known := codesOfNumbers()[number]; known {
		return code
	}
	if status == http.StatusUnauthorized {
		return "invalid_client"
	}
	return "invalid_request"
}

// codesOfNumbers are the OAuth error codes of the AADSTS numbers with which tests meet most. Source: "Microsoft Entra
// authentication and authorization error codes".
func codesOfNumbers() map[int]string {
	codes := map[int]string{
		500011: "invalid_resource", 700016: "unauthorized_client", 7000112: "unauthorized_client", 70003: "unsupported_grant_type",
		70016: "authorization_pending", 70018: "bad_verification_code", 70020: "expired_token", 65004: "access_denied", 50058: "login_required",
		90002: "invalid_request", 70011: "invalid_scope", 1002012: "invalid_scope", 50049: "invalid_instance",
	}
	for _, number := range []int{
		50020, 50034, 50053, 50055, 50056, 50057, 50072, 50074, 50076, 50078, 50079, 50105, 50126, 50158, 50173, 53000, 53001, 53002, 53003, 53004, 54005,
		65001, 70000, 70008, 70043, 70044, 700082, 700084, 9002341,
	} {
		codes[number] = "invalid_grant"
	}
	for _, number := range []int{50012, 700021, 700023, 700024, 700027, 700030, 7000215, 7000218, 7000222} {
		codes[number] = "invalid_client"
	}
	return codes
}
