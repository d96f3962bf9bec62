//go:build race

package registry

// sweeping says that long tests go all the way, which they do without the race
// detector.
const sweeping = false
