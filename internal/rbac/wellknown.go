package rbac

// UserAccessAdministratorID is the role that a Global Administrator gets at the root by elevateAccess.
const UserAccessAdministratorID = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
