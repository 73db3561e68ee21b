package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// ExchangeExplanation is the server's answer to why a token is exchanged or refused.
type ExchangeExplanation struct {
	Verdict string // granted or refused
	Error   *struct{ Code, Message string }
	Reasons []string
	Client  struct {
		ClientID, PrincipalID, Type, ResourceID string
		Name                                    string `json:"displayName"`
		Enabled                                 bool
	}
	Credentials int
	Credential  *struct {
		Name, Issuer, Subject string
		Expression            string `json:"claimsMatchingExpression"`
		Audiences             []string
	}
	Token *struct {
		Issuer, Subject, Type, Algorithm, KeyID string
		Audience                                []string
		IssuedAt, NotBefore, Expires            *time.Time
	}
	ServerTime time.Time
	Advice     []string

	Raw json.RawMessage `json:"-"` // the answer as it came
}

// ExplainExchange asks the server whether it would exchange a token for one of an application or a managed identity.
func (c *Client) ExplainExchange(ctx context.Context, clientID, token string) (ExchangeExplanation, error) {
	body := struct {
		ClientID string `json:"clientId"`
		Token    string `json:"token"`
	}{clientID, token}
	var x ExchangeExplanation
	if err := c.call(ctx, http.MethodPost, "/providers/Midas.Authorization/explainExchange?api-version="+explainVersion, body, &x.Raw); err != nil {
		return ExchangeExplanation{}, err
	}
	if err := json.Unmarshal(x.Raw, &x); err != nil {
		return ExchangeExplanation{}, fmt.Errorf("read the server's answer: %w", err)
	}
	return x, nil
}
