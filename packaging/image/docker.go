package main

import (
	"encoding/json"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// dockerManifest is the file manifest.json, by which older versions of docker load find the parts of the layout.
func dockerManifest(name string, image v1.Image) []byte {
	manifest, err := image.Manifest()
	if err != nil {
		panic(err) // the image has been written already
	}
	entry := struct {
		Config   string
		RepoTags []string
		Layers   []string
	}{Config: blob(manifest.Config.Digest), RepoTags: []string{name}}
	for _, layer := range manifest.Layers {
		entry.Layers = append(entry.Layers, blob(layer.Digest))
	}
	text, err := json.Marshal([]any{entry})
	if err != nil {
		panic(err) // it has texts only
	}
	return text
}

func blob(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }
