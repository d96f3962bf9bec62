//go:build !race

package kinds_test

const pooled = true
