package wire

import (
	"midas/internal/arm"
	"midas/internal/subscription"
)

// SubscriptionAlias is an alias of a subscription in an answer.
type SubscriptionAlias struct {
	ID         string                      `json:"id"`
	Name       string                      `json:"name"`
	Type       string                      `json:"type"`
	Properties subscriptionAliasProperties `json:"properties"`
	SystemData *aliasSystemData            `json:"systemData,omitempty"`
}

type subscriptionAliasProperties struct {
	SubscriptionID    string            `json:"subscriptionId"`
	ProvisioningState string            `json:"provisioningState"`
	DisplayName       string            `json:"displayName,omitempty"`
	Workload          string            `json:"workload,omitempty"`
	BillingScope      string            `json:"billingScope,omitempty"`
	ResellerID        string            `json:"resellerId,omitempty"`
	ManagementGroupID string            `json:"managementGroupId,omitempty"`
	OwnerID           string            `json:"subscriptionOwnerId,omitempty"`
	Tags              map[string]string `json:"tags,omitempty"`
	CreatedTime       string            `json:"createdTime,omitempty"`
}

type aliasSystemData struct {
	CreatedBy      string `json:"createdBy,omitempty"`
	CreatedByType  string `json:"createdByType,omitempty"`
	CreatedAt      string `json:"createdAt"`
	LastModifiedBy string `json:"lastModifiedBy,omitempty"`
	LastModifiedAt string `json:"lastModifiedAt"`
}

// detailedAliasSince is the first version in which an alias shows more than the subscription.
const detailedAliasSince arm.Version = "2021-10-01"

// EncodeSubscriptionAlias encodes an alias. The state is Accepted in the answer to its creation, and then
// Succeeded.
func EncodeSubscriptionAlias(v arm.Version, a subscription.Alias, state string) SubscriptionAlias {
	out := SubscriptionAlias{
		ID: "/providers/" + string(subscription.AliasType) + "/" + a.Name, Name: a.Name, Type: string(subscription.AliasType),
		Properties: subscriptionAliasProperties{SubscriptionID: a.SubscriptionID, ProvisioningState: state},
	}
	if !atLeast(v, detailedAliasSince) {
		return out
	}
	at := arm.Time(a.CreatedOn)
	p := &out.Properties
	p.DisplayName, p.Workload, p.BillingScope, p.ResellerID = a.DisplayName, a.Workload, a.BillingScope, a.ResellerID
	p.OwnerID, p.Tags, p.CreatedTime = a.Owner, a.Tags, at
	if a.Group != "" {
		p.ManagementGroupID = "/providers/Microsoft.Management/managementGroups/" + a.Group
	}
	out.SystemData = &aliasSystemData{CreatedBy: a.CreatedBy, CreatedByType: a.CreatedByType, CreatedAt: at, LastModifiedBy: a.CreatedBy, LastModifiedAt: at}
	return out
}

// SubscriptionAliasBody is the body of a PUT of an alias.
type SubscriptionAliasBody struct {
	Properties struct {
		DisplayName    *string `json:"displayName"`
		Workload       *string `json:"workload"`
		BillingScope   *string `json:"billingScope"`
		SubscriptionID *string `json:"subscriptionId"`
		ResellerID     *string `json:"resellerId"`
		Additional     struct {
			ManagementGroupID *string           `json:"managementGroupId"`
			TenantID          *string           `json:"subscriptionTenantId"`
			OwnerID           *string           `json:"subscriptionOwnerId"`
			Tags              map[string]string `json:"tags"`
		} `json:"additionalProperties"`
	} `json:"properties"`
}

// SubscriptionIDAnswer is the answer to rename, cancel and enable.
type SubscriptionIDAnswer struct {
	SubscriptionID string `json:"subscriptionId"`
}
