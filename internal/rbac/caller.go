package rbac

// Caller is the principal of a verified token.
type Caller struct {
	TenantID string
	ObjectID string
	AppID    string   // client id, for applications
	Name     string   // user principal name, for users
	Groups   []string // object ids of the groups that the caller is in, directly or through other groups
}
