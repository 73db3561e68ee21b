package directory

// SetHashing says how many passwords are hashed at once, and how many wait.
func (d *Directory) SetHashing(slots, waiting int) {
	d.hashing.Slots, d.hashing.Waiting = slots, waiting
}

// Waiting is how many wait for a password to be hashed.
func (d *Directory) Waiting() int { return d.hashing.Len() }
