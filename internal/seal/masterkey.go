package seal

import "log/slog"

// MasterKey is the secret from which the keys of all Sealers come. It is made once for an installation
// and is kept apart from the store, so that a copy of the store alone reveals no secret and signs nothing.
type MasterKey [32]byte

// redacted is what all ways to print a master key give.
const redacted = "[redacted]"

func (MasterKey) String() string       { return redacted }
func (MasterKey) GoString() string     { return redacted }
func (MasterKey) LogValue() slog.Value { return slog.StringValue(redacted) }
