package state

import "go.yaml.in/yaml/v3"

func isTemplate(root *yaml.Node) bool { return false }
func (b *builder) template()          {}
