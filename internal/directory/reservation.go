package directory

// ReservedKind says by which name an object is known before it exists.
type ReservedKind string

// The kinds of objects whose ids can be reserved, and their names.
const (
	ReservedIdentity         ReservedKind = "identity"         // the key of the resource's id
	ReservedUser             ReservedKind = "user"             // userPrincipalName
	ReservedGroup            ReservedKind = "group"            // displayName
	ReservedApplication      ReservedKind = "application"      // displayName
	ReservedServicePrincipal ReservedKind = "servicePrincipal" // appId
	ReservedSecret           ReservedKind = "secret"           // SecretName
)

// SecretName is the name of an application's secret in reservations, made of the two display names.
func SecretName(application, secret string) string { return application + "\x00" + secret }

// Reservations are the ids that the next objects of some names get, instead of new ones. Only a laboratory has any.
type Reservations interface {
	// Reserved returns the ids for the next object of a name. appID is empty for users, groups and service principals.
	Reserved(kind ReservedKind, name string) (id, appID string, found bool)

	// ReservedSecret returns the text of an application's next secret of a SecretName.
	ReservedSecret(name string) (text SecretText, found bool)

	// Used ends the reservation of a name, because the object exists or has existed.
	Used(kind ReservedKind, name string)
}

// NewIDs returns the ids for a new object: those that are reserved for its name, or new ones. It may be called again if
// the creation fails. The caller calls UsedIDs when the object was created, or when it is deleted.
func (d *Directory) NewIDs(kind ReservedKind, name string, newID func() string) (id, appID string) {
	if d.Reservations != nil {
		if id, appID, found := d.Reservations.Reserved(kind, name); found {
			return id, appID
		}
	}
	return newID(), newID()
}

// NewObjectID is NewIDs for a kind that has no application id.
func (d *Directory) NewObjectID(kind ReservedKind, name string, newID func() string) string {
	if d.Reservations != nil {
		if id, _, found := d.Reservations.Reserved(kind, name); found {
			return id
		}
	}
	return newID()
}

// UsedIDs ends the reservation of a name.
func (d *Directory) UsedIDs(kind ReservedKind, name string) {
	if d.Reservations != nil {
		d.Reservations.Used(kind, name)
	}
}

// NewSecretText returns the text of a new secret of an application: the one that is reserved for its SecretName, or a
// generated one.
func (d *Directory) NewSecretText(name string) SecretText {
	if d.Reservations != nil {
		if text, found := d.Reservations.ReservedSecret(name); found {
			return text
		}
	}
	return GenerateSecret()
}
