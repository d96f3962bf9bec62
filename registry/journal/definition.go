package journal

import (
	"maps"
	"slices"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// AppendReferences appends refs as a JSON array.
func AppendReferences(dst []byte, refs []schema.Reference) []byte {
	w := writer{b: append(dst, '[')}
	for i, r := range refs {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.open()
		w.str("name", r.Name)
		w.str("subject", string(r.Subject))
		w.int("version", int64(r.Version))
		w.close()
	}
	return append(w.b, ']')
}

// SealedProperty is the metadata property, "true", by which a record says that
// the values of its sensitive properties are encrypted. It is the journal's own:
// no schema has it.
const SealedProperty = "__enc__"

// AppendMetadata appends m as a JSON object, names in order.
func AppendMetadata(dst []byte, m *schema.Metadata) []byte {
	w := writer{b: dst}
	w.open()
	if len(m.Tags) > 0 {
		w.name("tags")
		w.b = append(w.b, '{')
		for i, k := range slices.Sorted(maps.Keys(m.Tags)) {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.b = append(AppendQuoted(w.b, k), ':')
			w.b = AppendStrings(w.b, m.Tags[k])
		}
		w.b = append(w.b, '}')
	}
	w.pairs("properties", m.Properties)
	if len(m.Sensitive) > 0 {
		w.name("sensitive")
		w.b = AppendStrings(w.b, m.Sensitive)
	}
	w.close()
	return w.b
}

// AppendRuleSet appends s as a JSON object.
func AppendRuleSet(dst []byte, s *schema.RuleSet) []byte {
	w := writer{b: dst}
	w.open()
	w.rules("migrationRules", s.MigrationRules)
	w.rules("domainRules", s.DomainRules)
	w.rules("encodingRules", s.EncodingRules)
	w.str("enableAt", s.EnableAt)
	w.close()
	return w.b
}

func (w *writer) rules(name string, rules []schema.Rule) {
	if len(rules) == 0 {
		return
	}
	w.name(name)
	w.b = append(w.b, '[')
	for i, r := range rules {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		in := writer{b: w.b}
		in.open()
		in.str("name", r.Name)
		in.str("doc", r.Doc)
		in.str("kind", r.Kind)
		in.str("mode", r.Mode)
		in.str("type", r.Type)
		if len(r.Tags) > 0 {
			in.name("tags")
			in.b = AppendStrings(in.b, r.Tags)
		}
		in.pairs("params", r.Params)
		in.str("expr", r.Expr)
		in.str("onSuccess", r.OnSuccess)
		in.str("onFailure", r.OnFailure)
		in.bool("disabled", r.Disabled)
		in.close()
		w.b = in.b
	}
	w.b = append(w.b, ']')
}

func (w *writer) pairs(name string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	w.name(name)
	w.b = AppendStringMap(w.b, m)
}

// AppendStrings appends list as a JSON array.
func AppendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendQuoted(dst, s)
	}
	return append(dst, ']')
}

func (d *cursor) references() []schema.Reference {
	var refs []schema.Reference
	d.array(func() {
		var r schema.Reference
		d.object(func(name string) {
			switch name {
			case "name":
				r.Name = d.text()
			case "subject":
				r.Subject = schema.Subject(d.text())
			case "version":
				r.Version = schema.Version(d.int(32))
			default:
				d.skip()
			}
		})
		refs = append(refs, r)
	})
	return refs
}

// metadata tells null (nil) from {}.
func (d *cursor) metadata() *schema.Metadata {
	if d.null() {
		return nil
	}
	m := &schema.Metadata{}
	d.object(func(name string) {
		switch name {
		case "tags":
			d.object(func(key string) {
				if m.Tags == nil {
					m.Tags = map[string][]string{}
				}
				m.Tags[clone(key)] = d.stringSet()
			})
		case "properties":
			m.Properties = d.stringMap()
		case "sensitive":
			m.Sensitive = d.stringSet()
		default:
			d.skip()
		}
	})
	return m
}

func (d *cursor) ruleSet() *schema.RuleSet {
	if d.null() {
		return nil
	}
	s := &schema.RuleSet{}
	d.object(func(name string) {
		switch name {
		case "migrationRules":
			s.MigrationRules = d.ruleList()
		case "domainRules":
			s.DomainRules = d.ruleList()
		case "encodingRules":
			s.EncodingRules = d.ruleList()
		case "enableAt":
			s.EnableAt = d.text()
		default:
			d.skip()
		}
	})
	return s
}

func (d *cursor) ruleList() []schema.Rule {
	var list []schema.Rule
	d.array(func() {
		var r schema.Rule
		d.object(func(name string) {
			switch name {
			case "name":
				r.Name = d.text()
			case "doc":
				r.Doc = d.text()
			case "kind":
				r.Kind = d.text()
			case "mode":
				r.Mode = d.text()
			case "type":
				r.Type = d.text()
			case "tags":
				r.Tags = d.stringSet()
			case "params":
				r.Params = d.stringMap()
			case "expr":
				r.Expr = d.text()
			case "onSuccess":
				r.OnSuccess = d.text()
			case "onFailure":
				r.OnFailure = d.text()
			case "disabled":
				r.Disabled = d.bool()
			default:
				d.skip()
			}
		})
		list = append(list, r)
	})
	return list
}

func (d *cursor) stringMap() map[string]string {
	var m map[string]string
	d.object(func(key string) {
		if m == nil {
			m = map[string]string{}
		}
		m[clone(key)] = d.text()
	})
	return m
}

// stringSet reads a list as a sorted set, which is what it means.
func (d *cursor) stringSet() []string {
	var list []string
	d.array(func() { list = append(list, d.text()) })
	slices.Sort(list)
	return slices.Compact(list)
}

// AppendStringMap appends m as a JSON object, its members sorted by name.
func AppendStringMap(dst []byte, m map[string]string) []byte {
	dst = append(dst, '{')
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendQuoted(dst, k), ':')
		dst = AppendQuoted(dst, m[k])
	}
	return append(dst, '}')
}
