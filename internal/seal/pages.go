package seal

// Pages makes page tokens, which contain the sealed key at which the next page of a list begins. A page token
// is opaque, cannot be forged, and opens only for the list for which it was made.
type Pages struct{ sealer *Sealer }

// NewPages derives the key of page tokens from the master key. Tokens stay valid after a restart and are
// valid at every replica.
func NewPages(master Source) (*Pages, error) {
	sealer, err := New(master, "midas page tokens")
	if err != nil {
		return nil, err
	}
	return &Pages{sealer: sealer}, nil
}

// Seal returns the page token for the last key of a page. list must contain everything that must not change
// between pages: the scope, the type and the filter of the list.
func (p *Pages) Seal(list, last string) string { return p.sealer.SealText(list, []byte(last)) }

// Open returns the last key from a page token, or ErrSealed. An empty token means the first page.
func (p *Pages) Open(list, token string) (last string, err error) {
	if token == "" {
		return "", nil
	}
	plain, err := p.sealer.OpenText(list, token)
	return string(plain), err
}
