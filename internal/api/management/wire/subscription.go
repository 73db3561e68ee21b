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
	ID                  string   `json:"id"`
	AuthorizationSource string   `json:"authorizationSource"`
	ManagedByTenants    []string `json:"managedByTenants"`
	SubscriptionID      string   `json:"subscriptionId"`
	TenantID            string   `json:"tenantId"`
	DisplayName         string   `json:"displayName"`
	State               string   `json:"state"`
	Policies            policies `json:"subscriptionPolicies"`
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

// EncodeSubscription encodes a subscription.
func EncodeSubscription(rec resource.Record) Subscription {
	id, _ := arm.ParseID(rec.ID) // it was parsed before it was stored
	return Subscription{
		ID: rec.ID, AuthorizationSource: "RoleBased", ManagedByTenants: []string{},
		SubscriptionID: id.Subscription(), TenantID: rec.TenantID, DisplayName: rec.Name, State: rec.State,
		Policies: policies{LocationPlacementID: "Public_2014-09-01", QuotaID: "PayAsYouGo_2014-09-01", SpendingLimit: "Off"},
	}
}
