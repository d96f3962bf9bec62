//go:build !race

package registry

const sweeping = true
