//go:build !race

package record

const sweeping = true
