//go:build race

package jsonata

// sweeping says that the long tests go all the way. They are of one goroutine, and
// many times slower with the race detector, which therefore sees a part of them.
const sweeping = false
