//go:build !race

package validate

const pooled = true
