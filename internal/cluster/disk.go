//go:build cluster

package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// needed is the free space that a new member needs at least, in bytes: etcd allocates two files of 64 MiB for its log
// before it writes to them.
const needed = 160 << 20

// checkSpace returns an error if a data folder has too little free space for a new member. A machine that finds this out
// after it was added has used up its token.
func checkSpace(data string) error {
	if free, known := freeSpace(data); known {
		return checkFree(data, free)
	}
	return nil
}

func checkFree(data string, free int64) error {
	if free >= needed {
		return nil
	}
	return fmt.Errorf("the disk of %s has %d MiB free, and a new member of a cluster needs %d MiB: make space, or choose another folder with --data",
		data, free>>20, needed>>20)
}

// removeUnfinished removes a database whose first write a full disk has cut short: etcd would end with a fault when it
// reads it. A complete database has at least four pages. One with fewer has never held anything.
func (f folder) removeUnfinished() error {
	file := f.path(etcdFolder, "member", "snap", "db")
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() >= 4*int64(os.Getpagesize()) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the database of the member: %w", err)
	}
	if err := os.Remove(file); err != nil {
		return fmt.Errorf("remove an unfinished database: %w", err)
	}
	return nil
}
