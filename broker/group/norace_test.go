//go:build !race

package group

const sweeping = true
