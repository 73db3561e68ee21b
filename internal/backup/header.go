package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"midas/internal/store"
)

// Format is the version of the form of a backup that this Midas writes, and the newest that it reads.
const Format = 2

// ErrFormat means that a file is no backup, is damaged, or is of a newer Midas.
var ErrFormat = errors.New("this file cannot be restored")

// kind is Header.Midas of all backups.
const kind = "backup"

// maxHeader is the largest size of the first line, in bytes.
const maxHeader = 4 << 10

// Header is the first line of a backup.
type Header struct {
	Midas     string    `json:"midas"`     // "backup"
	Format    int       `json:"format"`    // the version of the form of the file
	Program   string    `json:"program"`   // the version of Midas that has written it
	Created   time.Time `json:"created"`   // when the backup began
	MasterKey string    `json:"masterKey"` // the fingerprint of the master key (seal.MasterKey.Fingerprint)
}

// Summary is what is known about a backup after all of it was read.
type Summary struct {
	Header
	Records int            // their number
	Changes int            // what was changed while the backup was written
	Bytes   int64          // the size of the file
	Newest  store.Revision // the newest revision of a record
	Sum     [32]byte       // the checksum
}

// parseHeader reads the first line, without its line feed.
func parseHeader(line []byte) (h Header, err error) {
	if err := json.Unmarshal(line, &h); err != nil || h.Midas != kind {
		return h, fmt.Errorf("%w: it is no backup of Midas", ErrFormat)
	}
	if h.Format > Format {
		return h, fmt.Errorf("%w: its format is %d, and this Midas reads formats up to %d: it was %w (%.40q)", ErrFormat, h.Format, Format, store.ErrNewerVersion, h.Program)
	}
	if h.Format < 1 {
		return h, fmt.Errorf("%w: it has no format", ErrFormat)
	}
	if strings.Trim(h.MasterKey, "0123456789abcdef") != "" { // it is shown to operators
		return h, fmt.Errorf("%w: it names no master key", ErrFormat)
	}
	return h, nil
}
