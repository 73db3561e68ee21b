package wire

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/rbac"
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

// EncodeEvents encodes an entry of the activity log, newest event first. As in Azure, an accepted request has
// two events of one operation id, for its end and for its beginning, and a refused one has one. The status,
// Succeeded or Started, selects one of them; an empty status selects both.
func EncodeEvents(e activity.Event, status string) []Event {
	end := EncodeEvent(e)
	if e.Status != activity.Succeeded || e.Method == "" { // without a method no request has caused it
		return []Event{end}
	}
	begin := beginning(e, end)
	switch {
	case status == "":
		return []Event{end, begin}
	case arm.SameName(status, Started):
		return []Event{begin}
	}
	return []Event{end}
}

// Started is the status of the event for the beginning of a request.
const Started = "Started"

// beginning returns the event for the beginning of a request, made from that of its end. Azure CLI learns from
// its request body who has been given which role.
func beginning(e activity.Event, end Event) Event {
	begin := end
	begin.EventDataID = derivedID(e.ID)
	begin.ID = strings.Replace(end.ID, "/events/"+e.ID, "/events/"+begin.EventDataID, 1)
	begin.EventName = localizable{"BeginRequest", "Begin request"}
	begin.Status, begin.SubStatus = same(Started), same("")
	begin.Properties = maps.Clone(end.Properties)
	delete(begin.Properties, "statusCode")
	delete(begin.Properties, "responseBody")
	if a, shown := detailOf(e); shown && e.Method == http.MethodPut {
		begin.Properties["requestbody"] = encodeText(RoleAssignmentBody{Properties: &RoleAssignmentSpec{
			RoleDefinitionID: a.Properties.RoleDefinitionID, PrincipalID: a.Properties.PrincipalID, PrincipalType: a.Properties.PrincipalType,
			Condition: a.Properties.Condition.value, ConditionVersion: a.Properties.ConditionVersion.value, Description: a.Properties.Description.value,
		}})
	}
	return begin
}

// derivedID returns a GUID that belongs to an id: the event for the beginning of a request is not stored, and
// must have the same id each time that it is read.
func derivedID(id string) string {
	sum := sha256.Sum256([]byte("begin " + id))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// detailOf returns the role assignment that a request has written or deleted.
func detailOf(e activity.Event) (RoleAssignment, bool) {
	var a rbac.Assignment
	if !roleAssignments.Is(arm.Type(e.ResourceType)) || json.Unmarshal(e.Detail, &a) != nil {
		return RoleAssignment{}, false
	}
	return EncodeRoleAssignment(conditionSince, arm.ID{}, a, false), true
}

func encodeText(value any) string {
	text, err := json.Marshal(value)
	if err != nil { // not with strings alone
		return ""
	}
	return string(text)
}

// claimsOf returns those of the caller's claims that users search for: the object id, the tenant, and the
// application id or the user's name.
func claimsOf(e activity.Event) map[string]string {
	const microsoft, soap = "http://schemas.microsoft.com/identity/claims/", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	claims := map[string]string{microsoft + "objectidentifier": e.CallerObjectID, microsoft + "tenantid": e.TenantID}
	switch {
	case arm.IsGUID(e.Caller):
		claims["appid"] = e.Caller
	case e.Caller != "":
		claims[soap+"name"], claims[soap+"upn"] = e.Caller, e.Caller
	}
	return claims
}

// EncodeEvent encodes the end of a request.
func EncodeEvent(e activity.Event) Event {
	level := "Informational"
	if e.Status == activity.Failed {
		level = "Error"
	}
	out := Event{
		Authorization: eventAuthorization{Action: e.Operation, Scope: e.ResourceID},
		Caller:        e.Caller, Channels: "Operation", Claims: claimsOf(e),
		CorrelationID: e.CorrelationID, EventDataID: e.ID, OperationID: e.OperationID,
		ID:       e.ResourceID + "/events/" + e.ID + "/ticks/" + strconv.FormatInt(ticks(e.Time), 10),
		Category: same("Administrative"), EventName: localizable{"EndRequest", "End request"}, EventTimestamp: arm.Time(e.Time),
		HTTPRequest: eventRequest{ClientRequestID: e.ClientRequestID, ClientIP: e.ClientIP, Method: e.Method, URI: e.URI},
		Level:       level, OperationName: localizable{e.Operation, operationTitle(e.Operation)}, Properties: eventProperties(e),
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

// operationTitle returns Azure's title of an action, or the action if it is not in the table.
func operationTitle(action string) string {
	for _, known := range [...][2]string{
		{"Microsoft.Authorization/roleAssignments/write", "Create role assignment"},
		{"Microsoft.Authorization/roleAssignments/delete", "Delete role assignment"},
		{"Microsoft.Compute/virtualMachines/write", "Create or Update Virtual Machine"},
		{"Microsoft.Compute/virtualMachines/delete", "Delete Virtual Machine"},
		{"Microsoft.Resources/subscriptions/resourceGroups/write", "Update resource group"},
		{"Microsoft.Resources/subscriptions/resourceGroups/delete", "Delete resource group"},
	} {
		if arm.SameName(action, known[0]) {
			return known[1]
		}
	}
	return action
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
	if a, shown := detailOf(e); shown && e.Method == http.MethodDelete {
		p["responseBody"] = encodeText(a)
	}
	if e.Count > 1 { // the event stands for several refusals
		p["count"], p["lastEventTimestamp"] = strconv.Itoa(e.Count), arm.Time(e.Last)
	}
	return p
}

// statusName returns Azure's name of a status, as NotFound for 404.
func statusName(code int) string { return strings.ReplaceAll(http.StatusText(code), " ", "") }

func same(s string) localizable { return localizable{Value: s, LocalizedValue: s} }
