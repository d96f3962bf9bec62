package registry

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Types of entities that can be tagged.
const (
	recordEntity = "sr_record"
	fieldEntity  = "sr_field"
)

// tagsMember is where Avro and JSON Schema texts keep inline tags.
const tagsMember = "confluent:tags"

// entity is a record or field of a schema text that can carry inline tags.
type entity struct {
	path, typ string
	tags      []string
	set       func(tags []string)
}

// taggedText is a schema text opened for editing its inline tags.
type taggedText struct {
	entities []*entity
	text     func() (string, error) // as edited
}

// editTags returns the text of d with the tags that a request adds, removes
// and takes over from the latest version.
func (r *Registry) editTags(st *state, name schema.Subject, d schema.Definition, latest *version, req RegisterRequest) (string, error) {
	if len(req.TagsToAdd)+len(req.TagsToRemove) == 0 && (!req.PropagateTags || latest == nil) {
		return d.Text, nil
	}
	text, err := r.openTags(st, name, d)
	if err != nil {
		return "", err
	}
	if req.PropagateTags && latest != nil {
		old, err := r.openTags(st, name, latest.content.Definition())
		if err != nil {
			return "", err
		}
		for _, from := range old.entities {
			if to := text.find(from.path, from.typ); to != nil && len(from.tags) > 0 {
				to.add(from.tags)
			}
		}
	}
	for _, t := range req.TagsToRemove {
		e := text.find(t.Path, t.Type)
		if e == nil {
			return "", errInvalidSchema(show(name, d), noEntity(t))
		}
		e.remove(t.Tags)
	}
	for _, t := range req.TagsToAdd {
		e := text.find(t.Path, t.Type)
		if e == nil {
			return "", errInvalidSchema(show(name, d), noEntity(t))
		}
		e.add(t.Tags)
	}
	edited, err := text.text()
	if err != nil {
		return "", errInvalidSchema(show(name, d), err)
	}
	return edited, nil
}

func noEntity(t EntityTags) error {
	return fmt.Errorf("no entity of type %s at path %q to tag", t.Type, t.Path)
}

// FindTags lists the entities of a schema whose inline tags include one of
// tags; "*" stands for any.
func (r *Registry) FindTags(s Schema, tags []string) ([]EntityTags, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	text, err := r.openTags(st, s.Subject, s.Definition())
	if err != nil {
		return nil, err
	}
	var list []EntityTags
	for _, e := range text.entities {
		if slices.ContainsFunc(e.tags, func(t string) bool { return slices.Contains(tags, t) || slices.Contains(tags, "*") }) {
			list = append(list, EntityTags{Path: e.path, Type: e.typ, Tags: e.tags})
		}
	}
	return list, nil
}

func (t *taggedText) find(path, typ string) *entity {
	path = strings.TrimPrefix(path, ".")
	for _, e := range t.entities {
		if e.path == path && (typ == "" || strings.EqualFold(e.typ, typ)) {
			return e
		}
	}
	return nil
}

func (e *entity) add(tags []string) {
	for _, t := range tags {
		if !slices.Contains(e.tags, t) {
			e.tags = append(e.tags[:len(e.tags):len(e.tags)], t)
		}
	}
	e.set(e.tags)
}

func (e *entity) remove(tags []string) {
	e.tags = slices.DeleteFunc(slices.Clone(e.tags), func(t string) bool { return slices.Contains(tags, t) })
	e.set(e.tags)
}

func (r *Registry) openTags(st *state, name schema.Subject, d schema.Definition) (*taggedText, error) {
	if d.Type.OrDefault() == schema.Protobuf {
		p, err := r.prepare(st, name, d, false, false, storedReferences)
		if err != nil {
			return nil, err
		}
		t, err := openProtobufTags(p.parsed.schema)
		if err != nil {
			return nil, errInvalidSchema(show(name, d), err)
		}
		return t, nil
	}
	root, err := parseJSONText(d.Text)
	if err != nil {
		return nil, errInvalidSchema(show(name, d), err)
	}
	t := &taggedText{text: func() (string, error) { return string(root.append(nil)), nil }}
	if d.Type == schema.JSON {
		t.walkJSON(root, "")
	} else {
		t.walkAvro(root, "")
	}
	return t, nil
}

func (t *taggedText) addJSON(n *jsonNode, path, typ string) {
	t.entities = append(t.entities, &entity{path: path, typ: typ, tags: n.get(tagsMember).strings(), set: func(tags []string) {
		if len(tags) == 0 {
			n.set(tagsMember, nil)
			return
		}
		n.set(tagsMember, jsonStrings(tags))
	}})
}

// walkAvro collects records by full name and fields by the record's name and
// theirs.
func (t *taggedText) walkAvro(n *jsonNode, namespace string) {
	for _, branch := range n.items {
		t.walkAvro(branch, namespace)
	}
	if !n.object {
		return
	}
	name := n.get("name").str()
	full := name
	if ns := n.get("namespace"); ns != nil {
		namespace = ns.str()
	}
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		namespace = name[:dot]
	} else if namespace != "" {
		full = namespace + "." + name
	}
	switch n.get("type").str() {
	case "record", "error":
		t.addJSON(n, full, recordEntity)
		if fields := n.get("fields"); fields != nil {
			for _, f := range fields.items {
				if !f.object {
					continue
				}
				t.addJSON(f, full+"."+f.get("name").str(), fieldEntity)
				if typ := f.get("type"); typ != nil {
					t.walkAvro(typ, namespace)
				}
			}
		}
	case "array":
		if items := n.get("items"); items != nil {
			t.walkAvro(items, namespace)
		}
	case "map":
		if values := n.get("values"); values != nil {
			t.walkAvro(values, namespace)
		}
	case "":
		if typ := n.get("type"); typ != nil {
			t.walkAvro(typ, namespace)
		}
	}
}

// walkJSON collects objects as "object" below their scope and properties by
// name below their object: object, object.a, object.a.object, object.b.array.object.
func (t *taggedText) walkJSON(n *jsonNode, scope string) {
	if !n.object {
		return
	}
	if properties := n.get("properties"); properties != nil && properties.object {
		path := scope + "object"
		t.addJSON(n, path, recordEntity)
		for _, p := range properties.members {
			if p.value.object {
				t.addJSON(p.value, path+"."+p.name, fieldEntity)
				t.walkJSON(p.value, path+"."+p.name+".")
			}
		}
	}
	if items := n.get("items"); items != nil {
		t.walkJSON(items, scope+"array.")
	}
	for _, kind := range []string{"allOf", "anyOf", "oneOf"} {
		if branches := n.get(kind); branches != nil {
			for i, b := range branches.items {
				t.walkJSON(b, scope+strings.ToLower(kind)+"."+strconv.Itoa(i)+".")
			}
		}
	}
}

// TagRequest changes tags, metadata and rules of a version by registering a
// new one.
type TagRequest struct {
	NewVersion    schema.Version
	TagsToAdd     []EntityTags
	TagsToRemove  []EntityTags
	Metadata      *schema.Metadata
	RuleSet       *schema.RuleSet
	RulesToMerge  *schema.RuleSet
	RulesToRemove []string
}

var errRuleSetAndMerge = errors.New("ruleSet must not be given together with rulesToMerge or rulesToRemove")

// TagDefinition returns the request that registers the outcome of a TagRequest
// on one version.
func (r *Registry) TagDefinition(name schema.Subject, number schema.Version, t TagRequest) (RegisterRequest, error) {
	st, err := r.read()
	if err != nil {
		return RegisterRequest{}, err
	}
	if t.RuleSet != nil && (t.RulesToMerge != nil || len(t.RulesToRemove) > 0) {
		return RegisterRequest{}, errInvalidRuleSet("%s", errRuleSetAndMerge)
	}
	base, err := st.version(name.Canonical(), number, false)
	if err != nil {
		return RegisterRequest{}, err
	}
	d := base.Definition()
	if t.Metadata != nil {
		d.Metadata = t.Metadata
	}
	if t.RuleSet != nil {
		d.RuleSet = t.RuleSet
	}
	if t.RulesToMerge != nil {
		merge, err := checkRuleSet(t.RulesToMerge)
		if err != nil {
			return RegisterRequest{}, err
		}
		d.RuleSet = mergeRuleSets(d.RuleSet, merge)
	}
	if len(t.RulesToRemove) > 0 && d.RuleSet != nil {
		gone := func(rule schema.Rule) bool { return slices.Contains(t.RulesToRemove, rule.Name) }
		d.RuleSet = &schema.RuleSet{
			MigrationRules: slices.DeleteFunc(slices.Clone(d.RuleSet.MigrationRules), gone),
			DomainRules:    slices.DeleteFunc(slices.Clone(d.RuleSet.DomainRules), gone),
			EncodingRules:  slices.DeleteFunc(slices.Clone(d.RuleSet.EncodingRules), gone),
			EnableAt:       d.RuleSet.EnableAt,
		}
	}
	return RegisterRequest{Definition: d, Version: t.NewVersion, TagsToAdd: t.TagsToAdd, TagsToRemove: t.TagsToRemove}, nil
}
