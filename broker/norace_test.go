//go:build !race

package broker

const sweeping = true
