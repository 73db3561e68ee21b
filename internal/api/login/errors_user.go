package login

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The errors of grants in which a user takes part.

func errTwoResources(scope string) *Error {
	return invalidScope(28000, "Provided value for the input parameter scope is not valid because it contains more than one resource. Scope %s is not valid.", quote(scope))
}

func errUnknownUser(user, tenantName string) *Error {
	return invalidGrant(50034, "The user account %s does not exist in the %s directory. To sign into this application, the account must be added to the directory.", quote(user), tenantName)
}

func errWrongPassword() *Error {
	return invalidGrant(50126, "Error validating credentials due to invalid username or password.")
}

func errUserDisabled() *Error {
	return invalidGrant(50057, "The user account is disabled.")
}

func errLocked(wait time.Duration) *Error {
	e := invalidGrant(50053, "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.")
	e.RetryAfter = wait
	return e
}

// errBusy refuses a sign-in when too many passwords are being checked at the same time.
func errBusy() *Error {
	return &Error{
		Status: http.StatusTooManyRequests, Code: "temporarily_unavailable", Number: 90055,
		Text: "There are too many incoming requests. Please try again later.", RetryAfter: time.Second,
	}
}

// errOtherTenant refuses a grant of a tenant other than the one of the endpoint.
func errOtherTenant() *Error {
	return invalidGrant(50020, "User account from another identity provider does not exist in this tenant and cannot access the application in that tenant. Use the endpoint of the tenant in which the user has signed in.")
}

// errNotGranted refuses a code or token that was not issued by this server, or not to this client, or that
// was revoked. The text deliberately does not say which.
func errNotGranted(parameter string) *Error {
	return invalidGrant(70000, "The provided value for the input parameter '%s' is not valid.", parameter)
}

func errExpiredGrant() *Error {
	return invalidGrant(70008, "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.")
}

func errExpiredRefresh() *Error {
	return invalidGrant(700082, "The refresh token has expired due to inactivity.")
}

// errRevoked refuses a grant that is older than the user's last change of password or revocation of tokens.
func errRevoked() *Error {
	return invalidGrant(50173, "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.")
}

func errRedeemed() *Error {
	return invalidGrant(54005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.")
}

func errVerifier() *Error {
	return invalidGrant(501481, "The Code_Verifier does not match the code_challenge supplied in the authorization request.")
}

func errNoVerifier() *Error {
	return invalidGrant(50148, "The code_verifier does not match the code_challenge supplied in the authorization request for PKCE.")
}

// errRedirect refuses a redirect URI that the application has not registered.
func errRedirect(uri, app string) *Error {
	return invalidRequest(50011, "The redirect URI '%s' specified in the request does not match the redirect URIs configured for the application '%s'. Make sure the redirect URI sent in the request matches one added to the application.", quote(uri), quote(app))
}

func errNoRedirect() *Error {
	return invalidRequest(900971, "No reply address provided.")
}

// errOtherRedirect refuses a code with a redirect URI other than the one it was sent to.
func errOtherRedirect(got, sentTo string) *Error {
	if got == "" {
		return invalidGrant(700009, "Reply address must be provided when presenting an authorization code requested with an explicit reply address.")
	}
	return invalidGrant(500112, "The reply address '%s' does not match the reply address '%s' provided when requesting Authorization code.", quote(got), quote(sentTo))
}

func errResponseType(got string) *Error {
	e := &Error{Status: http.StatusBadRequest, Code: "unsupported_response_type", Number: 700054}
	e.Text = fmt.Sprintf("response_type '%s' is not enabled for the application.", quote(got))
	return e
}

func errResponseMode(got string) *Error {
	return invalidRequest(70007, "'%s' is not a supported value for parameter 'response_mode'.", quote(got))
}

func errUnsupportedValue(name, got string) *Error {
	return invalidRequest(90023, "Unsupported '%s' value '%s'.", name, quote(got))
}

func errRequestObject(name string) *Error {
	e := invalidRequest(90023, "The parameter '%s' is not supported.", name)
	e.Code = name + "_not_supported"
	return e
}

func errChallenge(name string) *Error {
	return invalidRequest(501491, "Invalid size or characters of %s parameter.", name)
}

func errInteraction() *Error {
	return &Error{
		Status: http.StatusBadRequest, Code: "login_required", Number: 50058,
		Text: "A silent sign-in request was sent but no user is signed in.",
	}
}

// errMustPick refuses a silent request of a client that requires the user to choose an account.
func errMustPick() *Error {
	return &Error{
		Status: http.StatusBadRequest, Code: "interaction_required", Number: 16000,
		Text: "The user has to choose an account for this application, and the request does not allow a page.",
	}
}

func errCancelled() *Error {
	return &Error{Status: http.StatusBadRequest, Code: "access_denied", Number: 65004, Text: "User declined to consent to access the app."}
}

// errStalePage refuses a form that was not sent from a recent page of this server in this browser.
func errStalePage(cause error) *Error {
	return invalidRequest(50089, "This page is no longer valid. Go back to the application and sign in again.").because(cause)
}

// errCookies refuses a form of a browser that sends no cookies.
func errCookies(origin string) *Error {
	return invalidRequest(90015, "Your browser does not send cookies to %s. Allow cookies for this site, and sign in again.", strings.TrimPrefix(origin, "https://"))
}

// errLostCookie asks for a form again whose page is older than the browser's cookies.
func errLostCookie() *Error {
	return invalidRequest(90015, "Your browser has removed the cookies of this page since it was opened. Enter your password again.")
}

// fullNameNumber is the number of a user name that is not of the form name@domain.
const fullNameNumber = 90100

// errFullName refuses a user name without a domain, whether or not there is such a user.
func errFullName(example string) *Error {
	return invalidRequest(fullNameNumber, "Enter your full user name, such as %s.", example)
}

// The errors of the page on which the code of a device is entered.

func errManyCodes(wait time.Duration) *Error {
	return &Error{
		Status: http.StatusTooManyRequests, Code: "slow_down", Number: 50196, RetryAfter: wait,
		Text: "There were too many wrong codes. Try again in " + inWords(wait) + ".",
	}
}

func errWrongCode() *Error {
	return deviceError("bad_verification_code", 70018, "That code is wrong or has expired. Look at it again, or start again on your device.")
}

func errCodeAgain() *Error {
	return invalidRequest(90015, "This page was opened in another window meanwhile. Send the code again.")
}

// errDecided refuses a decision about a device that no longer waits for one.
func errDecided(cause error) *Error {
	return deviceError("expired_token", 70019, "The code of this device was already used, or has expired. Start again on your device.").because(cause)
}

// errSendAgain refuses a form that another site has sent.
func errSendAgain(cause error) *Error {
	e := invalidRequest(90015, "The request did not come from a page of this server.").because(cause)
	e.Status = http.StatusForbidden
	return e
}

// The errors of the device code flow, with the codes on which clients branch.

func deviceError(code string, number int, text string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Number: number, Text: text}
}

func errPending() *Error {
	return deviceError("authorization_pending", 70016, "OAuth 2.0 device flow error. Authorization is pending. Continue polling.")
}

func errSlowDown(wait time.Duration) *Error {
	e := deviceError("slow_down", 70016, "OAuth 2.0 device flow error. The device polls more often than it was told. Authorization is pending. Continue polling.")
	e.RetryAfter = wait
	return e
}

func errDeclined() *Error {
	return deviceError("authorization_declined", 70017, "OAuth 2.0 device flow error. The end user denied the authorization request.")
}

func errBadDeviceCode() *Error {
	return deviceError("bad_verification_code", 70018, "The provided value for the input parameter 'device_code' is not valid.")
}

func errExpiredDeviceCode() *Error {
	return deviceError("expired_token", 70019, "The provided value for the input parameter 'device_code' is not valid. This device code has expired.")
}

// errBearer refuses an access token at the user information endpoint.
func errBearer(cause error) *Error {
	e := invalidClient(50132, "The access token is missing, invalid, expired, or not one of a user for Microsoft Graph.").because(cause)
	e.Code = "invalid_token"
	return e
}
