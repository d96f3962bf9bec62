//go:build !race

package jsonschema_test

const pooled = true
