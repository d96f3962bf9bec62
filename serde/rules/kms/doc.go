// Package kms has the key management services that wrap data keys: Local, which
// derives its key from a secret, and Vault, the transit engine of HashiCorp
// Vault. A registry uses them for shared KEKs, serializers for all others.
//
//	key ── Wrap ──▶ wrapped key ── stored in the registry
//	key ◀─ Unwrap ─ wrapped key
//
// What they read of a KEK is its key ID and its properties; a property that is
// missing is taken from the service's own fields. Everything is safe for
// concurrent use.
package kms
