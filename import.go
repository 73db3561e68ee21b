package midas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"midas/internal/control"
	"midas/internal/rbac"
)

// RoleImport tells what an import has done with the roles of a file. The lists have the names of roles.
type RoleImport struct {
	Added, Changed, Unchanged int
	Fixed                     []string // differ, but an import does not change them
	Older                     []string // the server has a version that is as new or newer
	Custom                    []string // custom roles, which belong to a tenant
	Unusable                  []string // an action cannot be understood
}

// ImportRoles stores the built-in roles of a file, which is what "az role definition list" or Azure Resource Manager
// returns, for all tenants: in a running server or, when none runs on the data folder, in the store. All of them are
// stored, or none.
func ImportRoles(ctx context.Context, cfg Config, file io.Reader) (done RoleImport, err error) {
	err = command(ctx, cfg, func(c control.Commands) error {
		report, err := c.ImportRoles(ctx, file)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(report, &done); err != nil {
			return fmt.Errorf("read the report of the import: %w", err)
		}
		return nil
	})
	return done, err
}

// importRoles imports a file and returns the report as JSON.
func importRoles(ctx context.Context, service *rbac.Service, file io.Reader) ([]byte, error) {
	report, err := service.ImportDefinitions(ctx, file)
	if errors.Is(err, rbac.ErrDefinitionFile) {
		return nil, fmt.Errorf("%w: %w", control.ErrFile, err)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(report)
}
