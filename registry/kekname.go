package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Parameters of rules that encrypt.
const (
	kekNameParam = "encrypt.kek.name"
	keyIDParam   = "encrypt.kms.key.id"
)

// nameKEK gives a rule that encrypts and names a key of a KMS, but no KEK, the
// name of a KEK. Every client and every instance arrives at the same name.
func nameKEK(r *schema.Rule) {
	id := r.Params[keyIDParam]
	if r.Type != "ENCRYPT" && r.Type != "ENCRYPT_PAYLOAD" || id == "" || r.Params[kekNameParam] != "" {
		return
	}
	r.Params = maps.Clone(r.Params)
	r.Params[kekNameParam] = kekNameOf(id)
}

// kekNameOf derives the name of a KEK from the ID of a KMS key. An ID that is a
// legal name is the name. In any other each run of characters that a name must not
// have becomes one '_', the first 230 bytes of that are kept, behind a '_' unless
// they start like a name, and '-' with the first 16 hexadecimal digits of the
// ID's SHA-256 keeps apart what then looks alike:
//
//	orders-key                                  orders-key
//	arn:aws:kms:eu-west-1:1:key/ab              arn_aws_kms_eu-west-1_1_key_ab-8f…
//	http://127.0.0.1:8200/transit/keys/orders   http_127_0_0_1_8200_transit_keys_orders-41…
func kekNameOf(keyID string) string {
	if validRuleName(keyID) {
		return keyID
	}
	const most = 230
	var b strings.Builder
	for _, c := range []byte(keyID) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		name := letter || c == '-' || c >= '0' && c <= '9'
		if b.Len() == 0 && !letter {
			b.WriteByte('_')
		}
		switch {
		case b.Len() >= most:
		case name:
			b.WriteByte(c)
		case b.Len() > 0 && b.String()[b.Len()-1] != '_':
			b.WriteByte('_')
		}
	}
	sum := sha256.Sum256([]byte(keyID))
	return b.String() + "-" + hex.EncodeToString(sum[:8])
}
