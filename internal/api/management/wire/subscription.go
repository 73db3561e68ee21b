package wire

import (
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/resource"
)

// Tenant is an entry of GET /tenants.
type Tenant struct {
	ID             string   `json:"id"`
	TenantID       string   `json:"tenantId"`
	CountryCode    string   `json:"countryCode"`
	DisplayName    string   `json:"displayName"`
	Domains        []string `json:"domains"`
	TenantCategory string   `json:"tenantCategory"`
	DefaultDomain  string   `json:"defaultDomain"`
	TenantType     string   `json:"tenantType"`
}

// EncodeTenant encodes a tenant.
func EncodeTenant(t directory.Tenant) Tenant {
	out := Tenant{
		ID: "/tenants/" + t.ID, TenantID: t.ID, DisplayName: t.DisplayName,
		TenantCategory: "Home", DefaultDomain: t.DefaultDomain, TenantType: "AAD", Domains: []string{},
	}
	if t.DefaultDomain != "" {
		out.Domains = []string{t.DefaultDomain}
	}
	return out
}

// Subscription is a subscription in an answer.
type Subscription struct {
	ID                  string            `json:"id"`
	AuthorizationSource string            `json:"authorizationSource"`
	ManagedByTenants    []string          `json:"managedByTenants"`
	SubscriptionID      string            `json:"subscriptionId"`
	TenantID            string            `json:"tenantId"`
	DisplayName         string            `json:"displayName"`
	State               string            `json:"state"`
	Tags                map[string]string `json:"tags,omitempty"`
	Policies            policies          `json:"subscriptionPolicies"`
}

type policies struct {
	LocationPlacementID string `json:"locationPlacementId"`
	QuotaID             string `json:"quotaId"`
	SpendingLimit       string `json:"spendingLimit"`
}

// SubscriptionList is the answer to GET /subscriptions. It also has the number of subscriptions.
type SubscriptionList struct {
	List[Subscription]
	Count Count `json:"count"`
}

// Count is the number of entries of a list.
type Count struct {
	Type  string `json:"type"`
	Value int    `json:"value"`
}

// subscriptionTagsSince is the first version in which a subscription shows its tags.
const subscriptionTagsSince arm.Version = "2019-11-01"

// EncodeSubscription encodes the fields of a subscription that the version has.
func EncodeSubscription(v arm.Version, rec resource.Record) Subscription {
	id, _ := arm.ParseID(rec.ID) // it was parsed before it was stored
	out := Subscription{
		ID: rec.ID, AuthorizationSource: "RoleBased", ManagedByTenants: []string{},
		SubscriptionID: id.Subscription(), TenantID: rec.TenantID, DisplayName: rec.Name, State: rec.State,
		Policies: policies{LocationPlacementID: "Public_2014-09-01", QuotaID: "PayAsYouGo_2014-09-01", SpendingLimit: "Off"},
	}
	if atLeast(v, subscriptionTagsSince) {
		out.Tags = rec.Tags
	}
	return out
}
