package child

import "os"

// passedOn are the signals that must not end this process before the command. Windows sends Ctrl-C to both.
func passedOn() []os.Signal { return []os.Signal{os.Interrupt} }

// fromTerminal is always true: on Windows os.Interrupt only comes from the console.
func fromTerminal(os.Signal) bool { return true }
