package rules

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	siv "github.com/tink-crypto/tink-go/v2/daead/subtle"
	"google.golang.org/protobuf/encoding/protowire"
)

// Parameters of encryption rules.
const (
	paramKEK        = "encrypt.kek.name"
	paramKeyID      = "encrypt.kms.key.id"
	paramKMSType    = "encrypt.kms.type"
	paramAlgorithm  = "encrypt.dek.algorithm"
	paramExpiryDays = "encrypt.dek.expiry.days"
	paramAlternates = "encrypt.alternate.kms.key.ids"
)

// Algorithms of DEKs.
const (
	aes128GCM = "AES128_GCM"
	aes256GCM = "AES256_GCM"
	aes256SIV = "AES256_SIV"
)

// cryptor encrypts or decrypts for one rule.
type cryptor struct {
	keys      *keyring
	source    keySource
	rotated   bool
	expiry    time.Duration // 0 for never
	writing   bool
	algorithm string
}

func newCryptor(s *step) (*cryptor, error) {
	if s.mode != Write && s.mode != Read {
		return nil, errors.New("encryption rules cannot migrate")
	}
	c := &cryptor{keys: s.engine.keys, writing: s.mode == Write, algorithm: either(s.params[paramAlgorithm], aes256GCM)}
	switch c.algorithm {
	case aes128GCM, aes256GCM, aes256SIV:
	default:
		return nil, fmt.Errorf("%s is %q; want %s, %s or %s", paramAlgorithm, c.algorithm, aes128GCM, aes256GCM, aes256SIV)
	}
	if text := s.params[paramExpiryDays]; text != "" {
		days, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%s is %q, not a number of days", paramExpiryDays, text)
		}
		c.rotated, c.expiry = days > 0, time.Duration(days)*24*time.Hour
	}
	if c.source.kek = s.params[paramKEK]; c.source.kek == "" {
		return nil, fmt.Errorf("the rule has no parameter %s", paramKEK)
	}
	if s.engine.opts.Keys == nil {
		return nil, errors.New("encryption needs Options.Keys, the registry of keys")
	}
	c.source.kmsType, c.source.kmsKeyID, c.source.params = s.params[paramKMSType], s.params[paramKeyID], s.params
	c.source.subject, c.source.algorithm = s.target.Subject, c.algorithm
	return c, nil
}

// leaf encrypts or decrypts the value of a field; what is no string and no
// bytes cannot be.
func (c *cryptor) leaf(ctx context.Context, v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []byte:
		return c.bytes(ctx, v)
	case string:
		if c.writing {
			b, err := c.bytes(ctx, []byte(v))
			if err != nil {
				return nil, err
			}
			return base64.StdEncoding.EncodeToString(b), nil
		}
		b, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			return nil, fmt.Errorf("what should be a ciphertext is not base64: %w", err)
		}
		if b, err = c.bytes(ctx, b); err != nil {
			return nil, err
		}
		if !utf8.Valid(b) {
			return nil, errors.New("what was decrypted is no text")
		}
		return string(b), nil
	}
	return nil, fmt.Errorf("a value of type %T cannot be encrypted, only strings and bytes can", v)
}

func (c *cryptor) bytes(ctx context.Context, b []byte) ([]byte, error) {
	if c.writing {
		return c.encrypt(ctx, b)
	}
	return c.decrypt(ctx, b)
}

func (c *cryptor) encrypt(ctx context.Context, plain []byte) ([]byte, error) {
	k, err := c.keys.toWrite(ctx, c.source, c.expiry)
	if err != nil {
		return nil, err
	}
	b, err := k.cipher.seal(plain)
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	if c.rotated {
		return append(appendVersion(make([]byte, 0, versionBytes+len(b)), k.version), b...), nil
	}
	return b, nil
}

func (c *cryptor) decrypt(ctx context.Context, b []byte) ([]byte, error) {
	version := 1
	if c.rotated {
		var err error
		if version, b, err = splitVersion(b); err != nil {
			return nil, err
		}
	}
	k, err := c.keys.toRead(ctx, c.source, version)
	if err != nil {
		return nil, err
	}
	plain, err := k.cipher.open(b)
	if err != nil {
		return nil, fmt.Errorf("a ciphertext of %d bytes is damaged, or of another key than version %d of KEK %q", len(b), version, c.source.kek)
	}
	return plain, nil
}

// versionBytes is the length of what stands before a rotated ciphertext: 00 and
// the version of the DEK.
const versionBytes = 5

func appendVersion(dst []byte, version int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0), uint32(version)) //nolint:gosec // a version, 1 to 2^31-1
}

// splitVersion takes a rotated ciphertext apart.
func splitVersion(b []byte) (version int, rest []byte, err error) {
	if len(b) < versionBytes {
		return 0, nil, fmt.Errorf("a ciphertext of %d bytes is too short for the version of its key", len(b))
	}
	if b[0] != 0 {
		return 0, nil, fmt.Errorf("a ciphertext begins with %#02x, want 0x00 and the version of its key", b[0])
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n < 1 || n > 1<<31-1 {
		return 0, nil, fmt.Errorf("a ciphertext names version %d of its key, want 1 to 2^31-1", n)
	}
	return int(n), b[versionBytes:], nil
}

// cipher is a DEK, ready to use. No associated data is involved.
type cipher struct {
	gcm *subtle.AESGCM
	siv *siv.AESSIV
}

// newCipher reads the key message of Tink that a DEK is: AesGcmKey{version = 1,
// key_value = 3} or AesSivKey{version = 1, key_value = 2}.
func newCipher(algorithm string, key []byte) (*cipher, error) {
	number, size := protowire.Number(3), 32
	switch algorithm {
	case aes128GCM:
		size = 16
	case aes256SIV:
		number, size = 2, 64
	}
	var value []byte
	for b := key; len(b) > 0; {
		n, typ, length := protowire.ConsumeField(b)
		if length < 0 {
			return nil, errors.New("the DEK is no key of Tink")
		}
		if n == number && typ == protowire.BytesType {
			_, _, head := protowire.ConsumeTag(b)
			value, _ = protowire.ConsumeBytes(b[head:])
		}
		b = b[length:]
	}
	if len(value) != size {
		return nil, fmt.Errorf("the DEK has %d bytes, %s needs %d", len(value), algorithm, size)
	}
	c := &cipher{}
	var err error
	if algorithm == aes256SIV {
		c.siv, err = siv.NewAESSIV(value)
	} else {
		c.gcm, err = subtle.NewAESGCM(value)
	}
	return c, err
}

// newKey makes the key message of a random DEK.
func newKey(algorithm string, random func([]byte) error) ([]byte, error) {
	number, size := protowire.Number(3), 32
	switch algorithm {
	case aes128GCM:
		size = 16
	case aes256SIV:
		number, size = 2, 64
	}
	value := make([]byte, size)
	if err := random(value); err != nil {
		return nil, err
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value), nil
}

func (c *cipher) seal(plain []byte) ([]byte, error) {
	if c.siv != nil {
		return c.siv.EncryptDeterministically(plain, nil)
	}
	return c.gcm.Encrypt(plain, nil)
}

func (c *cipher) open(b []byte) ([]byte, error) {
	if c.siv != nil {
		return c.siv.DecryptDeterministically(b, nil)
	}
	return c.gcm.Decrypt(b, nil)
}
