package token

// SetLimit makes the minter keep fewer tokens.
func (m *Minter) SetLimit(n int) { m.warm.Limit = n }

// Signer is the name of the key that would sign now.
func (k *Keys) Signer() string { return k.signer(k.cfg.Now()).kid }

// Sign signs any payload, also what Mint would not sign.
func (k *Keys) Sign(payload []byte) (string, error) { return k.signer(k.cfg.Now()).sign(payload) }
