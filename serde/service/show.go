package service

import (
	"context"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// Show turns the key or the value of any record into JSON, for people: the
// document and the ID of its schema if it is framed and can be read, else Bare
// with the reason. header is the value of the record's schema header, nil if
// there is none. A nil b is null. Documents of JSON Schemas are shown as they
// are.
func (c *Converter) Show(ctx context.Context, subject schema.Subject, header, b []byte) (json.RawMessage, schema.ID, error) {
	if b == nil {
		return json.RawMessage("null"), 0, nil
	}
	if header == nil && (len(b) < frame.IDBytes || b[0] != frame.MagicID) {
		return Bare(b), 0, nil
	}
	document, p, err := c.Decode(ctx, subject, header, b)
	if err == nil {
		return document, p.ID, nil
	}
	var unsupported *UnsupportedError
	if errors.As(err, &unsupported) && unsupported.Type == schema.JSON && header == nil && json.Valid(b[frame.IDBytes:]) {
		id, payload, _ := frame.Split(b)
		return payload, id, nil
	}
	return Bare(b), 0, err
}

// Bare shows bytes without a schema: an object or an array of JSON as it is,
// other text as a string, and what is no text as {"base64":…}.
func Bare(b []byte) json.RawMessage {
	if len(b) > 0 && (b[0] == '{' || b[0] == '[') && json.Valid(b) {
		return b
	}
	var text []byte
	if utf8.Valid(b) {
		text, _ = json.Marshal(string(b))
	} else {
		text, _ = json.Marshal(map[string][]byte{"base64": b})
	}
	return text
}

// ParseBare is the reverse of Bare; null is nil.
func ParseBare(text json.RawMessage) ([]byte, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	var s string
	if json.Unmarshal(text, &s) == nil {
		return []byte(s), nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) == nil && len(members) == 1 && members["base64"] != nil {
		var b []byte
		if err := json.Unmarshal(members["base64"], &b); err != nil {
			return nil, err
		}
		return b, nil
	}
	return text, nil
}
