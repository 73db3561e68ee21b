package midas

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"midas/internal/azure"
	"midas/internal/datadir"
	"midas/internal/localca"
)

// openAzureCA opens the authority for Azure's names. It is separate from the authority for the server's
// own names: users install that one in their browsers and operating systems, and must not thereby trust
// this server as Azure. Only a command under "midas exec" trusts both.
func openAzureCA(data string) (*localca.CA, error) {
	dir := filepath.Join(data, datadir.AzureCAFolder)
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return nil, fmt.Errorf("make the folder of the CA for Azure's names: %w", err)
	}
	return localca.OpenFor(dir, time.Now, azure.Hosts()...)
}
