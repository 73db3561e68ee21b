package wire

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
)

// Event is an entry of the activity log in an answer.
type Event struct {
	Authorization     eventAuthorization `json:"authorization"`
	Caller            string             `json:"caller"`
	Channels          string             `json:"channels"`
	Claims            map[string]string  `json:"claims"`
	CorrelationID     string             `json:"correlationId"`
	Description       string             `json:"description"`
	EventDataID       string             `json:"eventDataId"`
	ID                string             `json:"id"`
	Category          localizable        `json:"category"`
	EventName         localizable        `json:"eventName"`
	EventTimestamp    string             `json:"eventTimestamp"`
	HTTPRequest       eventRequest       `json:"httpRequest"`
	Level             string             `json:"level"`
	OperationID       string             `json:"operationId"`
	OperationName     localizable        `json:"operationName"`
	Properties        map[string]string  `json:"properties"`
	ResourceGroupName string             `json:"resourceGroupName"`
	ProviderName      localizable        `json:"resourceProviderName"`
	ResourceType      localizable        `json:"resourceType"`
	ResourceID        string             `json:"resourceId"`
	Status            localizable        `json:"status"`
	SubStatus         localizable        `json:"subStatus"`
	SubmissionTime    string             `json:"submissionTimestamp"`
	SubscriptionID    string             `json:"subscriptionId"`
	TenantID          string             `json:"tenantId"`
}

type localizable struct {
	Value          string `json:"value"`
	LocalizedValue string `json:"localizedValue"`
}

type eventAuthorization struct {
	Action string `json:"action"`
	Scope  string `json:"scope"`
}

type eventRequest struct {
	ClientRequestID string `json:"clientRequestId"`
	ClientIP        string `json:"clientIpAddress"`
	Method          string `json:"method"`
	URI             string `json:"uri"`
}

// EncodeEvent encodes an entry of the activity log. Of the caller's claims it has those that users search for:
// the object id and the application id.
func EncodeEvent(e activity.Event) Event {
	const oid = "http://schemas.microsoft.com/identity/claims/objectidentifier"
	claims := map[string]string{oid: e.CallerObjectID}
	if arm.IsGUID(e.Caller) { // else it is a user principal name
		claims["appid"] = e.Caller
	}
	level := "Informational"
	if e.Status == activity.Failed {
		level = "Error"
	}
	out := Event{
		Authorization: eventAuthorization{Action: e.Operation, Scope: e.ResourceID},
		Caller:        e.Caller, Channels: "Operation", Claims: claims,
		CorrelationID: e.CorrelationID, EventDataID: e.ID, OperationID: e.OperationID,
		ID:       e.ResourceID + "/events/" + e.ID + "/ticks/" + strconv.FormatInt(ticks(e.Time), 10),
		Category: same("Administrative"), EventName: localizable{"EndRequest", "End request"}, EventTimestamp: arm.Time(e.Time),
		HTTPRequest: eventRequest{ClientRequestID: e.ClientRequestID, ClientIP: e.ClientIP, Method: e.Method, URI: e.URI},
		Level:       level, OperationName: same(e.Operation), Properties: eventProperties(e),
		ResourceGroupName: e.ResourceGroup, ProviderName: same(arm.Type(e.ResourceType).Namespace()),
		ResourceType: same(e.ResourceType), ResourceID: e.ResourceID, Status: same(e.Status),
		SubmissionTime: arm.Time(e.Time), SubscriptionID: e.SubscriptionID, TenantID: e.TenantID,
	}
	if e.Code != 0 {
		text := http.StatusText(e.Code) + " (HTTP Status Code: " + strconv.Itoa(e.Code) + ")"
		out.SubStatus = localizable{Value: statusName(e.Code), LocalizedValue: text}
	}
	return out
}

// ticks returns the number of 100 ns intervals since the beginning of the year 1, as in .NET.
func ticks(t time.Time) int64 {
	const untilUnixEpoch = 621355968000000000
	return t.UnixNano()/100 + untilUnixEpoch
}

// eventProperties returns the properties of an event. They repeat other fields, because tools read them here.
func eventProperties(e activity.Event) map[string]string {
	p := map[string]string{
		"eventCategory": "Administrative", "entity": e.ResourceID, "message": e.Operation,
		"hierarchy": e.TenantID + "/" + e.SubscriptionID,
	}
	if e.Code != 0 {
		p["statusCode"] = statusName(e.Code)
	}
	if e.ErrorCode != "" {
		p["statusMessage"] = e.ErrorCode
	}
	if e.Count > 1 { // the event stands for several refusals
		p["count"], p["lastEventTimestamp"] = strconv.Itoa(e.Count), arm.Time(e.Last)
	}
	return p
}

// statusName returns Azure's name of a status, as NotFound for 404.
func statusName(code int) string { return strings.ReplaceAll(http.StatusText(code), " ", "") }

func same(s string) localizable { return localizable{Value: s, LocalizedValue: s} }
