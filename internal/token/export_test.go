package token

// Recent opens the bounded memory to tests.
type Recent struct{ recent[int, int] }

func (r *Recent) Get(key, limit int) (int, bool) { return r.get(key, limit) }
func (r *Recent) Put(key, v, limit int)          { r.put(key, v, limit) }
func (r *Recent) Drop(key int)                   { r.drop(key) }
func (r *Recent) Len() int                       { return len(r.young) + len(r.old) }

// Signer is the name of the key that would sign now.
func (k *Keys) Signer() string { return k.signer(k.cfg.Now()).kid }

// Sign signs any payload, also what Mint would not sign.
func (k *Keys) Sign(payload []byte) (string, error) { return k.signer(k.cfg.Now()).sign(payload) }
