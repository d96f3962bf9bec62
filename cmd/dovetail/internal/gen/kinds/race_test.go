//go:build race

package kinds_test

// pooled says that a sync.Pool gives back what was put into it. With the race
// detector it forgets at random, so allocations cannot be counted.
const pooled = false
