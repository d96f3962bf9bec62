//go:build race

package jsonschema

// sweeping says that tests of one goroutine go all the way. The race detector
// has nothing to find in them and makes them many times slower; `make test` runs
// them once more without it.
const sweeping = false
