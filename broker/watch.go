package broker

import "sync"

// watch tells whoever waits that a partition has moved on: its high watermark or
// last stable offset advanced, its log start moved, or it went offline or away.
type watch struct {
	mu       sync.Mutex
	watchers map[chan struct{}]struct{}
}

// add asks for a signal on c, which must have room for one, at every move from
// now on. A signal that finds another one waiting is that one.
func (w *watch) add(c chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watchers == nil {
		w.watchers = map[chan struct{}]struct{}{}
	}
	w.watchers[c] = struct{}{}
}

func (w *watch) remove(c chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.watchers, c)
}

func (w *watch) signal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
