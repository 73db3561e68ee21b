package child

import "os"

// passedOn is what must not end this process before the command: Windows sends Ctrl-C to both.
func passedOn() []os.Signal { return []os.Signal{os.Interrupt} }

// fromTerminal is always so: Windows has no other way.
func fromTerminal(os.Signal) bool { return true }
