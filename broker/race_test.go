//go:build race

package broker

// sweeping says that tests over every operation of the file system go all the way.
// The race detector has little to find in them and makes them many times slower.
const sweeping = false
