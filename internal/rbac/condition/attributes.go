// Package condition is the language of the conditions of role assignments and deny assignments.
package condition

// Attributes are what a condition may read about a request.
type Attributes struct{}
