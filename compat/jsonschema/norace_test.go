//go:build !race

package jsonschema

const sweeping = true
