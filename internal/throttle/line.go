package throttle

import "slices"

// line is a list of waiters, by network and address. It has a few dozen entries at most, so it uses linear
// search.
type line struct {
	count    int
	networks []*network // in the order of their turns
}

type network struct {
	at        place
	count     int
	addresses []*address // in the order of their turns
}

type address struct {
	at      place
	waiting []*waiting
}

func (l *line) len() int { return l.count }

// push appends a waiter to its address. A new address or network is appended to the end of the turns.
func (l *line) push(w *waiting) {
	i := slices.IndexFunc(l.networks, func(n *network) bool { return n.at == w.From.network })
	if i < 0 {
		i = len(l.networks)
		l.networks = append(l.networks, &network{at: w.From.network})
	}
	n := l.networks[i]
	j := slices.IndexFunc(n.addresses, func(a *address) bool { return a.at == w.From.address })
	if j < 0 {
		j = len(n.addresses)
		n.addresses = append(n.addresses, &address{at: w.From.address})
	}
	n.addresses[j].waiting = append(n.addresses[j].waiting, w)
	n.count++
	l.count++
}

// pop removes the waiter whose turn it is, and moves its network and address to the end of the turns.
func (l *line) pop() *waiting {
	n := l.networks[0]
	a := n.addresses[0]
	w := a.waiting[0]
	n.addresses = append(n.addresses[1:], a)
	l.networks = append(l.networks[1:], n)
	l.remove(w)
	return w
}

// remove removes a waiter, and reports whether it was in the line.
func (l *line) remove(w *waiting) bool {
	for i, n := range l.networks {
		for j, a := range n.addresses {
			k := slices.Index(a.waiting, w)
			if k < 0 {
				continue
			}
			a.waiting = slices.Delete(a.waiting, k, k+1)
			if len(a.waiting) == 0 {
				n.addresses = slices.Delete(n.addresses, j, j+1)
			}
			n.count--
			l.count--
			if n.count == 0 {
				l.networks = slices.Delete(l.networks, i, i+1)
			}
			return true
		}
	}
	return false
}

// turnAway removes the newest waiter of the address and network with the most waiters. Among equals it
// prefers those of the newcomer.
func (l *line) turnAway(newcomer *waiting) *waiting {
	n := most(l.networks, func(n *network) (int, bool) { return n.count, n.at == newcomer.From.network })
	a := most(n.addresses, func(a *address) (int, bool) { return len(a.waiting), a.at == newcomer.From.address })
	w := a.waiting[len(a.waiting)-1]
	l.remove(w)
	return w
}

// most returns the element with the highest number. Among equals it prefers a marked one.
func most[T any](all []T, number func(T) (n int, marked bool)) (found T) {
	highest := -1
	for _, one := range all {
		if n, marked := number(one); n > highest || n == highest && marked {
			found, highest = one, n
		}
	}
	return found
}
