package fleet

// Watchers returns the number of stored states and watched keys.
func Watchers(f *Fleet) int {
	f.states.mu.Lock()
	defer f.states.mu.Unlock()
	f.watchers.mu.Lock()
	defer f.watchers.mu.Unlock()
	return len(f.states.topics) + len(f.watchers.waiting)
}
