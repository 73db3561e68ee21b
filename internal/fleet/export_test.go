package fleet

// Watchers is how much is kept for those who wait.
func Watchers(f *Fleet) int {
	f.states.mu.Lock()
	defer f.states.mu.Unlock()
	f.watchers.mu.Lock()
	defer f.watchers.mu.Unlock()
	return len(f.states.topics) + len(f.watchers.waiting)
}
