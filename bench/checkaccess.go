package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// checkAccess measures decisions for a resource service: of version 2 with one action and with 50, and the batch of 200
// of version 1.
func (b *bench) checkAccess(t *target) error {
	answer, err := t.run(1, 1, "200", func(int) []byte { return t.tokenFor("https://authorization.azure.net", t.admin.ClientSecret) })
	if err != nil {
		return err
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(answer.last, &token); err != nil {
		return err
	}
	subject, err := t.objectID()
	if err != nil {
		return err
	}
	const two = "/providers/Microsoft.Authorization/checkAccess?api-version=2021-06-01-preview"
	one := t.group + "/providers/Microsoft.Authorization/checkAccess?api-version=2018-09-01-preview"
	for _, m := range []struct {
		what, path, bearer string
		actions            int
	}{
		{"checkAccess version 2, 1 action", two, token.AccessToken, 1},
		{"checkAccess version 2, 50 actions", two, token.AccessToken, 50},
		{"checkAccess version 1, 1 action", one, t.bearer, 1},
		{"checkAccess version 1, 200 actions", one, t.bearer, 200},
	} {
		request := send("POST", m.path, m.bearer, "application/json", t.question(subject, m.actions))
		if err := b.besideBare(m.what+", 16 connections", t, func(int) []byte { return request }); err != nil {
			return fmt.Errorf("%s: %w", m.what, err)
		}
		alone, err := t.run(1, getRequests/20, "200", func(int) []byte { return request })
		if err != nil {
			return err
		}
		fmt.Printf("| %s, one connection, median | %.0f us | | |\n", m.what, float64(alone.p50.Nanoseconds())/1000)
	}
	return nil
}

// question is the body for so many actions of Kubernetes.
func (t *target) question(subject string, actions int) string {
	var list []string
	for i := range actions {
		list = append(list, fmt.Sprintf(`{"Id":"Microsoft.ContainerService/managedClusters/apps/deployments%d/read","IsDataAction":true,"Attributes":null}`, i))
	}
	return fmt.Sprintf(`{"Subject":{"Attributes":{"ObjectId":%q}},"Actions":[%s],"Resource":{"Id":"%s/providers/Microsoft.ContainerService/managedClusters/c/namespaces/default","Attributes":null},"Environment":{"Attributes":null}}`,
		subject, strings.Join(list, ","), t.group)
}

// objectID is the object id of the administrator's service principal.
func (t *target) objectID() (string, error) {
	answer, err := t.run(1, 1, "200", func(int) []byte {
		return get(t.group+"/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01", t.bearer)
	})
	if err != nil {
		return "", err
	}
	var list struct {
		Value []struct {
			Properties struct{ PrincipalID string }
		}
	}
	if err := json.Unmarshal(answer.last, &list); err != nil || len(list.Value) == 0 {
		return "", fmt.Errorf("no role assignment of the administrator: %w", err)
	}
	return list.Value[0].Properties.PrincipalID, nil
}
