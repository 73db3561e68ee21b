package directory

// SetHashing sets how many passwords are hashed concurrently, and how many requests wait.
func (d *Directory) SetHashing(slots, waiting int) {
	d.hashing.Slots, d.hashing.Waiting = slots, waiting
}

// Waiting is how many requests wait for a password hash.
func (d *Directory) Waiting() int { return d.hashing.Len() }

// Spellings is how many hashes one attempt costs at most. normal says that the stored hash is that of a
// normalized password.
func Spellings(hash PasswordHash, normal bool, pw PasswordText) int {
	return len((&userRecord{Password: hash, Normal: normal}).passwordForms(pw))
}
