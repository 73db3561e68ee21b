package directory

// SetHashing says how many passwords are hashed at once, and how many wait.
func (d *Directory) SetHashing(slots, waiting int) {
	d.hashing.Slots, d.hashing.Waiting = slots, waiting
}

// Waiting is how many wait for a password to be hashed.
func (d *Directory) Waiting() int { return d.hashing.Len() }

// Spellings is how many hashes a guess costs, at most, against a hash that was made of a normal password or
// before there were any.
func Spellings(hash PasswordHash, normal bool, pw PasswordText) int {
	return len((&userRecord{Password: hash, Normal: normal}).passwordForms(pw))
}
