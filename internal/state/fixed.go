package state

import (
	"context"
	"errors"
)

// errFixed is the refusal of ids that a file fixes, by a server that cannot fix them.
var errFixed = errors.New("the server cannot fix ids: it needs --lab")

// fix reserves the ids of an object that is about to be created.
func (p *Plan) fix(context.Context, *object) error { return errFixed }

// fixSecret gives an application a secret that the file fixes.
func (p *Plan) fixSecret(context.Context, map[string]any, map[string]any, string) error {
	return errFixed
}
