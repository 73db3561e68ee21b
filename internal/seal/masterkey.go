package seal

import "log/slog"

// MasterKey is the secret from which the keys of all Sealers and Hashers are derived. It is generated once
// for an installation and is stored apart from the store, so that a copy of the store alone reveals no secret
// and cannot be used to sign tokens.
type MasterKey [32]byte

// redacted replaces a master key wherever it is printed or logged.
const redacted = "[redacted]"

func (MasterKey) String() string       { return redacted }
func (MasterKey) GoString() string     { return redacted }
func (MasterKey) LogValue() slog.Value { return slog.StringValue(redacted) }
