package kms

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// LocalType is the kmsType of Local.
const LocalType = "local-kms"

// SecretProperty is the property with the secret of Local.
const SecretProperty = "secret"

// Local wraps keys by AES-128-GCM with a key derived from a secret (HKDF with
// SHA-256, no salt, no info), as the local KMS of other clients does. The key ID
// does not matter to it. It is meant for development, and for where nothing
// better is at hand: whoever has the secret has every key.
//
//	wrapped   nonce (12 bytes) │ ciphertext │ tag (16 bytes)
type Local struct {
	Secret string // used if the properties have no SecretProperty
}

func (l Local) aead(properties map[string]string) (cipher.AEAD, error) {
	secret := properties[SecretProperty]
	if secret == "" {
		secret = l.Secret
	}
	if secret == "" {
		return nil, fmt.Errorf("kms: the local KMS needs the property %q", SecretProperty)
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "", 16)
	if err != nil {
		return nil, fmt.Errorf("kms: deriving the local key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("kms: local key: %w", err)
	}
	return cipher.NewGCM(block)
}

// Wrap encrypts key.
func (l Local) Wrap(_ context.Context, _ string, properties map[string]string, key []byte) ([]byte, error) {
	aead, err := l.aead(properties)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(key)+aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("kms: nonce: %w", err)
	}
	return aead.Seal(nonce, nonce, key, nil), nil
}

// Unwrap decrypts what Wrap returned.
func (l Local) Unwrap(_ context.Context, _ string, properties map[string]string, wrapped []byte) ([]byte, error) {
	aead, err := l.aead(properties)
	if err != nil {
		return nil, err
	}
	if len(wrapped) < aead.NonceSize()+aead.Overhead() {
		return nil, fmt.Errorf("kms: a wrapped key of %d bytes is too short", len(wrapped))
	}
	key, err := aead.Open(nil, wrapped[:aead.NonceSize()], wrapped[aead.NonceSize():], nil)
	if err != nil {
		return nil, errors.New("kms: the secret does not open the wrapped key")
	}
	return key, nil
}
