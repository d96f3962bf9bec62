package schema_test

import (
	"crypto/md5"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// full is a definition with everything in it, and the bytes that its
// fingerprint covers.
func full() (schema.Definition, string) {
	d := schema.Definition{
		Type:       schema.Protobuf,
		Text:       "text",
		References: []schema.Reference{{Name: "n1", Subject: "s1", Version: 1}, {Name: "n2", Subject: "s2", Version: 258}},
		Metadata: &schema.Metadata{
			Tags:       map[string][]string{"b": {"2", "1"}, "a": {"x"}},
			Properties: map[string]string{"q": "2", "p": "1"},
			Sensitive:  []string{"q", "p"},
		},
		RuleSet: &schema.RuleSet{
			DomainRules:    []schema.Rule{{Name: "dom", Kind: "CONDITION", Mode: "WRITE", Type: "CEL", Expr: "e", OnSuccess: "NONE", OnFailure: "DLQ", Disabled: true}},
			MigrationRules: []schema.Rule{{Name: "mig", Doc: "doc", Tags: []string{"z", "y"}, Params: map[string]string{"k2": "v2", "k1": "v1"}}},
			EncodingRules:  []schema.Rule{{Name: "enc"}},
			EnableAt:       "CLIENT",
		},
	}
	return d, "text" +
		"n1s1\x00\x00\x00\x01" + "n2s2\x00\x00\x01\x02" +
		"\x01" + "ax" + "b12" + "p1q2" + "pq" +
		"\x01" + "migdoc" + "yz" + "k1v1k2v2" + "domCONDITIONWRITECEL" + "e" + "NONEDLQ" + "\x01" + "enc" + "CLIENT"
}

func TestFingerprintCoversTheseBytes(t *testing.T) {
	d, covered := full()
	if got := d.Fingerprint(); got != md5.Sum([]byte(covered)) {
		t.Errorf("got %x", got)
	}
	plain := schema.Definition{Text: `"string"`}
	if got := plain.Fingerprint(); got != md5.Sum([]byte(plain.Text)) {
		t.Errorf("of a text alone: %x", got)
	}
}

func TestFingerprintNoticesEveryPart(t *testing.T) {
	base, _ := full()
	seen := map[schema.Fingerprint]string{base.Fingerprint(): "nothing"}
	for name, change := range map[string]func(*schema.Definition){
		"text":              func(d *schema.Definition) { d.Text += " " },
		"reference order":   func(d *schema.Definition) { r := d.References; r[0], r[1] = r[1], r[0] },
		"reference name":    func(d *schema.Definition) { d.References[0].Name = "other" },
		"reference subject": func(d *schema.Definition) { d.References[0].Subject = "other" },
		"reference version": func(d *schema.Definition) { d.References[0].Version = 2 },
		"fewer references":  func(d *schema.Definition) { d.References = d.References[:1] },
		"no metadata":       func(d *schema.Definition) { d.Metadata = nil },
		"empty metadata":    func(d *schema.Definition) { d.Metadata = &schema.Metadata{} },
		"tag":               func(d *schema.Definition) { d.Metadata.Tags["a"] = []string{"y"} },
		"property":          func(d *schema.Definition) { d.Metadata.Properties["p"] = "2" },
		"sensitive":         func(d *schema.Definition) { d.Metadata.Sensitive = []string{"p"} },
		"no rules":          func(d *schema.Definition) { d.RuleSet = nil },
		"empty rules":       func(d *schema.Definition) { d.RuleSet = &schema.RuleSet{} },
		"rule enabled":      func(d *schema.Definition) { d.RuleSet.DomainRules[0].Disabled = false },
		"rule expression":   func(d *schema.Definition) { d.RuleSet.DomainRules[0].Expr = "f" },
		"rule parameter":    func(d *schema.Definition) { d.RuleSet.MigrationRules[0].Params["k1"] = "w" },
		"enabled at":        func(d *schema.Definition) { d.RuleSet.EnableAt = "SERVER" },
	} {
		d, _ := full()
		change(&d)
		f := d.Fingerprint()
		if other, dup := seen[f]; dup {
			t.Errorf("%s changes no more than %s", name, other)
		}
		seen[f] = name
	}
}

func TestFingerprintIgnoresTypeAndOrderInSets(t *testing.T) {
	base, _ := full()
	for name, change := range map[string]func(*schema.Definition){
		"type":            func(d *schema.Definition) { d.Type = schema.Avro },
		"tag order":       func(d *schema.Definition) { d.Metadata.Tags["b"] = []string{"1", "2"} },
		"sensitive order": func(d *schema.Definition) { d.Metadata.Sensitive = []string{"p", "q"} },
		"rule tag order":  func(d *schema.Definition) { d.RuleSet.MigrationRules[0].Tags = []string{"y", "z"} },
		"no references":   func(d *schema.Definition) {},
	} {
		d, _ := full()
		change(&d)
		if d.Fingerprint() != base.Fingerprint() {
			t.Errorf("%s matters", name)
		}
	}
	nilRefs, emptyRefs := schema.Definition{Text: "t"}, schema.Definition{Text: "t", References: []schema.Reference{}}
	if nilRefs.Fingerprint() != emptyRefs.Fingerprint() {
		t.Error("no references and an empty list differ")
	}
}

func TestFingerprintDoesNotChangeTheDefinition(t *testing.T) {
	d, _ := full()
	d.Fingerprint()
	if d.Metadata.Sensitive[0] != "q" || d.Metadata.Tags["b"][0] != "2" || d.RuleSet.MigrationRules[0].Tags[0] != "z" {
		t.Error("a list of the caller was sorted")
	}
}

func TestGUIDText(t *testing.T) {
	d := schema.Definition{Text: `"string"`}
	g := d.Fingerprint().GUID()
	back, err := schema.ParseGUID(g.String())
	if err != nil || back != g || len(g.String()) != 36 {
		t.Errorf("%s reads as %v, %v", g, back, err)
	}
	const text = "00112233-4455-6677-8899-aabbccddeeff"
	for _, spelling := range []string{text, "00112233-4455-6677-8899-AABBCCDDEEFF"} {
		if g, err := schema.ParseGUID(spelling); err != nil || g.String() != text || g[15] != 0xff || g[0] != 0 {
			t.Errorf("%s: %v, %v", spelling, g, err)
		}
	}
	for _, bad := range []string{"", "x", text[:35], text + "0", "00112233445566778899aabbccddeeff",
		"0011223-34455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeefg", "00112233-4455-6677-8899-aabbccd-eeff",
		"{0112233-4455-6677-8899-aabbccddeef}"} {
		if g, err := schema.ParseGUID(bad); err == nil || g != (schema.GUID{}) {
			t.Errorf("%q is read as %v", bad, g)
		}
	}
}

func TestTypes(t *testing.T) {
	if schema.Type("").OrDefault() != schema.Avro || schema.JSON.OrDefault() != schema.JSON {
		t.Error("default type")
	}
	for typ, known := range map[schema.Type]bool{"AVRO": true, "JSON": true, "PROTOBUF": true, "": false, "avro": false, "XML": false} {
		if typ.Known() != known {
			t.Errorf("%q: known is %v", typ, typ.Known())
		}
	}
}
