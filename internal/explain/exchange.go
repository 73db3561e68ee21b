package explain

import (
	"errors"
	"slices"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/store"
)

// readCredentials is the right to read the federated credentials of a managed identity.
const readCredentials = "microsoft.managedidentity/userassignedidentities/federatedidentitycredentials/read"

// Client is an application or a managed identity whose exchanges are explained.
type Client struct {
	Application directory.Application // empty for a managed identity
	Principal   directory.ServicePrincipal
	Scope       arm.ID // of a managed identity: its resource
}

// ExchangeClient finds the client of an exchange by its client id, in the asker's tenant. It returns false if there is
// none, and also if the asker may not read its federated credentials: the asker cannot tell the two apart.
func (s *Service) ExchangeClient(tx store.Tx, asker rbac.Caller, clientID string) (c Client, may bool, err error) {
	c.Principal, err = s.Directory.ClientPrincipal(tx, asker.TenantID, clientID)
	if err != nil && !errors.Is(err, directory.ErrNotFound) {
		return Client{}, false, err
	}
	if c.Principal.Type == directory.TypeManagedIdentity {
		if c.Scope, err = arm.ParseID(c.Principal.ResourceID); err != nil {
			return Client{}, false, nil
		}
		may, err = s.RBAC.Authorize(tx, asker, readCredentials, c.Scope)
		return c, may, err
	}
	c.Application, err = s.Directory.Client(tx, asker.TenantID, clientID)
	switch {
	case errors.Is(err, directory.ErrNotFound), err == nil && c.Application.FirstParty:
		return Client{}, false, nil
	case err != nil:
		return Client{}, false, err
	}
	may, err = s.readsApplication(tx, asker, c.Application)
	return c, may, err
}

// readsApplication reports whether Microsoft Graph would let the asker read an application: a user of the tenant may,
// who has a directory role may, who has one of the app roles may, and its owner.
func (s *Service) readsApplication(tx store.Tx, asker rbac.Caller, app directory.Application) (bool, error) {
	if _, err := s.Directory.User(tx, asker.TenantID, asker.ObjectID); !errors.Is(err, directory.ErrNotFound) {
		return err == nil, err
	}
	roles, err := s.Directory.DirectoryRoles(tx, asker.TenantID, asker.ObjectID)
	if err != nil || len(roles) > 0 {
		return err == nil, err
	}
	values, err := s.Directory.GraphRoles(tx, asker.TenantID, asker.ObjectID)
	if err != nil || slices.ContainsFunc(values, func(v string) bool { return slices.Contains(applicationReaders(), v) }) {
		return err == nil, err
	}
	return s.Directory.Owns(tx, asker.TenantID, asker.ObjectID, app.ID)
}

// applicationReaders are the app roles of Microsoft Graph that allow to read applications.
func applicationReaders() []string {
	return []string{
		directory.RoleApplicationReadAll, directory.RoleApplicationReadWriteAll, directory.RoleApplicationReadWriteOwnedBy,
		directory.RoleDirectoryReadAll, directory.RoleDirectoryReadWriteAll, directory.RoleAppRoleAssignmentReadWriteAll,
	}
}
