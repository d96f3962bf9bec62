package registry

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

func TestKEKNameIsDerivedFromTheKeyID(t *testing.T) {
	long := "https://" + strings.Repeat("x", 500)
	for id, want := range map[string]string{
		"orders-key":                     "orders-key",
		"_k":                             "_k",
		"arn:aws:kms:eu-west-1:1:key/ab": "arn_aws_kms_eu-west-1_1_key_ab",
		"http://127.0.0.1:8200/transit/keys/orders":       "http_127_0_0_1_8200_transit_keys_orders",
		"projects/p/locations/l/keyRings/r/cryptoKeys/k/": "projects_p_locations_l_keyRings_r_cryptoKeys_k_",
		"1-key": "_1-key",
		"ключ":  "_",
		long:    "https_" + strings.Repeat("x", 224),
	} {
		if id != want {
			want += fmt.Sprintf("-%x", sha256.Sum256([]byte(id)))[:17]
		}
		got := kekNameOf(id)
		if got != want || !validRuleName(got) {
			t.Errorf("%.60s: got %s, want %s", id, got, want)
		}
	}
	if kekNameOf("a/b") == kekNameOf("a:b") || kekNameOf(long) == kekNameOf(long+"x") {
		t.Error("two keys have one name")
	}
}

// encrypting is a schema with one rule.
func encrypting(typ string, params map[string]string) RegisterRequest {
	return RegisterRequest{Definition: schema.Definition{Text: `"string"`, RuleSet: &schema.RuleSet{DomainRules: []schema.Rule{
		{Name: "r", Kind: "TRANSFORM", Type: typ, Mode: "WRITEREAD", Tags: []string{"PII"}, Params: params},
	}}}}
}

func TestRegisteredRuleNamesItsKEK(t *testing.T) {
	j := &journal.Memory{}
	r := open(t, Options{Journal: j})
	only := func() map[string]string {
		return map[string]string{"encrypt.kms.key.id": "arn:aws:kms:1:key/a", "encrypt.kms.type": "aws-kms"}
	}
	named := map[string]string{"encrypt.kms.key.id": "arn:aws:kms:1:key/a", "encrypt.kek.name": "own"}
	for subject, c := range map[schema.Subject]struct {
		req  RegisterRequest
		want string
	}{
		"derived": {encrypting("ENCRYPT", only()), kekNameOf("arn:aws:kms:1:key/a")},
		"payload": {encrypting("ENCRYPT_PAYLOAD", only()), kekNameOf("arn:aws:kms:1:key/a")},
		"named":   {encrypting("ENCRYPT", named), "own"},
		"other":   {encrypting("CEL_FIELD", only()), ""},
		"no key":  {encrypting("ENCRYPT", map[string]string{"x": "y"}), ""},
	} {
		before := fmt.Sprint(c.req.Definition.RuleSet.DomainRules[0].Params)
		made := mustRegister(t, r, subject, c.req)
		if got := made.RuleSet().DomainRules[0].Params["encrypt.kek.name"]; got != c.want {
			t.Errorf("%s: the KEK is %q, want %q", subject, got, c.want)
		}
		if after := fmt.Sprint(c.req.Definition.RuleSet.DomainRules[0].Params); after != before {
			t.Errorf("%s: the request was changed to %s", subject, after)
		}
		end := r.End()
		if again := mustRegister(t, r, subject, c.req); again.Version != 1 || r.End() != end {
			t.Errorf("%s: registered again it is version %d", subject, again.Version)
		}
		if found, err := r.Lookup(subject, c.req, LookupOptions{}); err != nil || found.ID != made.ID {
			t.Errorf("%s: lookup finds %d, %v", subject, found.ID, err)
		}
	}
	restarted := open(t, Options{Journal: j})
	if s, err := restarted.Version("derived", 1, false); err != nil || s.RuleSet().DomainRules[0].Params["encrypt.kek.name"] != kekNameOf("arn:aws:kms:1:key/a") {
		t.Errorf("after a restart: %v, %v", s.RuleSet(), err)
	}
}
