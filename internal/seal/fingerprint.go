package seal

import "encoding/hex"

// Fingerprint identifies the master key without revealing anything about it: 16 hexadecimal digits of a hash that
// only the owner of the key can compute. Backups have it, so that their owner finds the key that belongs to them.
func (k MasterKey) Fingerprint() (string, error) {
	h, err := NewHasher(k, "midas master key fingerprint")
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum()[:8]), nil
}
