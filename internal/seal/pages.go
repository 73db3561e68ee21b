package seal

// Pages seals the place at which the next page of a list begins. A page token is opaque, cannot be
// forged, and opens only for the list that it was made for.
type Pages struct{ sealer *Sealer }

// NewPages makes the sealer of page tokens. Tokens stay good after a restart and at every replica.
func NewPages(master MasterKey) (*Pages, error) {
	sealer, err := New(master, "midas page tokens")
	if err != nil {
		return nil, err
	}
	return &Pages{sealer: sealer}, nil
}

// Seal encrypts the last key of a page. The list is named by everything that must not change between
// pages: its scope, its type, its filter.
func (p *Pages) Seal(list, last string) string { return p.sealer.SealText(list, []byte(last)) }

// Open gives the last key back, or ErrSealed. An empty token stands for the first page.
func (p *Pages) Open(list, token string) (last string, err error) {
	if token == "" {
		return "", nil
	}
	plain, err := p.sealer.OpenText(list, token)
	return string(plain), err
}
