// Package dovetail is the root of the module; it holds no code. Start at
// README.md, then ARCHITECTURE.md. The binary is cmd/dovetail.
package dovetail
