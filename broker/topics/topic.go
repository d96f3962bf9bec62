package topics

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
)

// ID is a topic's identity: a version 4 UUID. The zero ID is none.
type ID [16]byte

// NewID returns a random ID. Kafka keeps the first two for itself and prints
// IDs in URL-safe base 64, where a leading '-' reads like an option, so such
// IDs are not given.
func NewID() ID {
	for {
		var id ID
		_, _ = rand.Read(id[:]) // never fails
		id[6] = id[6]&0x0f | 0x40
		id[8] = id[8]&0x3f | 0x80
		if !strings.HasPrefix(id.String(), "-") {
			return id
		}
	}
}

// String is the ID as Kafka prints it.
func (id ID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// MarshalText writes an ID as String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(text []byte) error {
	raw, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil || len(raw) != len(id) {
		return fmt.Errorf("topic ID %q is not 16 bytes in URL-safe base 64", text)
	}
	copy(id[:], raw)
	return nil
}

// Topic is a topic as it is now. It is immutable: a change makes another one.
type Topic struct {
	Name       string `json:"name"`
	ID         ID     `json:"id"`
	Partitions int32  `json:"partitions"`
	// ReplicationFactor is what was asked for; there is one replica.
	ReplicationFactor int16 `json:"replicationFactor"`
	// Configs are the topic's own configurations, by name.
	Configs map[string]string `json:"configs,omitempty"`
	// Internal topics belong to the broker: clients may read, not write them.
	Internal bool `json:"internal,omitempty"`
}

// MaxNameLength is the longest name of a topic, in bytes.
const MaxNameLength = 249

// CheckName says what is wrong with a topic's name, if anything.
func CheckName(name string) error {
	switch {
	case name == "":
		return &Error{InvalidName, "the topic name is empty"}
	case name == "." || name == "..":
		return &Error{InvalidName, "the topic name must not be \".\" or \"..\""}
	case len(name) > MaxNameLength:
		return &Error{InvalidName, fmt.Sprintf("the topic name has %d characters; at most %d are allowed", len(name), MaxNameLength)}
	}
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-') {
			return &Error{InvalidName, fmt.Sprintf("the topic name %q has characters other than ASCII letters, digits, '.', '_' and '-'", name)}
		}
	}
	return nil
}

// collisionKey is equal for names that metrics cannot tell apart.
func collisionKey(name string) string { return strings.ReplaceAll(name, ".", "_") }

// Code says what kind of mistake an Error is.
type Code int

const (
	InvalidName Code = iota + 1
	AlreadyExists
	Unknown
	InvalidPartitions
	InvalidReplicationFactor
	InvalidConfig
	TooManyPartitions
)

// Error is a change that is refused. Nothing has changed.
type Error struct {
	Code   Code
	Reason string
}

func (e *Error) Error() string { return e.Reason }
