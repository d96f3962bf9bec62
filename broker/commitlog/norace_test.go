//go:build !race

package commitlog

const sweeping = true
