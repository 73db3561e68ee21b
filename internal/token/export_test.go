package token

// SetLimit makes the minter keep fewer tokens.
func (m *Minter) SetLimit(n int) { m.warm.Limit = n }

// Signer is the id of the key that signs now.
func (k *Keys) Signer() string { return k.signer(k.cfg.Now()).kid }

// Sign signs any payload, including those that Mint refuses.
func (k *Keys) Sign(payload []byte) (string, error) { return k.signer(k.cfg.Now()).sign(payload) }

// ReadObject reads the members of a JSON object: their names and JSON texts.
func ReadObject(data []byte) (map[string]string, error) {
	o, err := readObject(data)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, m := range o {
		all[m.name] = o.find(m.name)
	}
	return all, nil
}
