package state

import (
	"context"
	"errors"
)

// errFixed is the refusal of ids and secrets of applications that a file fixes.
var errFixed = errors.New("the server has no way to fix ids and secrets of applications")

// fixes reports whether a step needs the server to use an id or a secret of the file.
func (s *Step) fixes() bool {
	return s.Action == Create && (len(s.object.fixed) > 0 || s.object.kind == kindSecret && s.object.secret != "")
}

// fix reserves the ids of an object that is about to be created.
func (p *Plan) fix(context.Context, *object) error { return errFixed }

// fixSecret gives an application a secret that the file fixes.
func (p *Plan) fixSecret(context.Context, map[string]any, map[string]any, string) error {
	return errFixed
}
