package midas

import (
	"embed"
	"io/fs"
)

//go:embed docs/*.md
var docsFolder embed.FS

// docs are the pages of the documentation, which the server shows to people.
func docs() fs.FS {
	pages, err := fs.Sub(docsFolder, "docs")
	if err != nil {
		panic(err) // the name above is valid
	}
	return pages
}
