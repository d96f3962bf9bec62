//go:build !race

package jsonata

const sweeping = true
