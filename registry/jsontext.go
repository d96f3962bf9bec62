package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// jsonNode is a JSON value that keeps the order of members and the spelling of
// numbers, for editing schema texts.
type jsonNode struct {
	object  bool
	array   bool
	scalar  string // JSON, if neither object nor array
	members []jsonMember
	items   []*jsonNode
}

type jsonMember struct {
	name  string
	value *jsonNode
}

// maxTextDepth bounds the nesting of a text that is edited.
const maxTextDepth = 1000

func parseJSONText(text string) (*jsonNode, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	n, err := readJSONNode(d, 0)
	if err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("something follows the JSON value")
	}
	return n, nil
}

func readJSONNode(d *json.Decoder, depth int) (*jsonNode, error) {
	if depth > maxTextDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxTextDepth)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		n := &jsonNode{object: t == '{', array: t == '['}
		for d.More() {
			name := ""
			if n.object {
				key, err := d.Token()
				if err != nil {
					return nil, err
				}
				name, _ = key.(string)
			}
			v, err := readJSONNode(d, depth+1)
			if err != nil {
				return nil, err
			}
			if n.object {
				n.members = append(n.members, jsonMember{name, v})
			} else {
				n.items = append(n.items, v)
			}
		}
		_, err := d.Token()
		return n, err
	case string:
		return jsonString(t), nil
	case json.Number:
		return &jsonNode{scalar: t.String()}, nil
	case bool:
		return &jsonNode{scalar: fmt.Sprint(t)}, nil
	}
	return &jsonNode{scalar: "null"}, nil
}

func jsonString(s string) *jsonNode {
	return &jsonNode{scalar: string(journal.AppendQuoted(nil, s))}
}

func (n *jsonNode) append(dst []byte) []byte {
	switch {
	case n.object:
		dst = append(dst, '{')
		for i, m := range n.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(journal.AppendQuoted(dst, m.name), ':')
			dst = m.value.append(dst)
		}
		return append(dst, '}')
	case n.array:
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.append(dst)
		}
		return append(dst, ']')
	}
	return append(dst, n.scalar...)
}

// get returns a member, nil if there is none.
func (n *jsonNode) get(name string) *jsonNode {
	if n != nil && n.object {
		for _, m := range n.members {
			if m.name == name {
				return m.value
			}
		}
	}
	return nil
}

// set replaces or appends a member; nil removes it.
func (n *jsonNode) set(name string, value *jsonNode) {
	for i, m := range n.members {
		if m.name != name {
			continue
		}
		if value == nil {
			n.members = append(n.members[:i:i], n.members[i+1:]...)
		} else {
			n.members[i].value = value
		}
		return
	}
	if value != nil {
		n.members = append(n.members, jsonMember{name, value})
	}
}

// str returns the text of a string, "" of anything else.
func (n *jsonNode) str() string {
	if n == nil || !strings.HasPrefix(n.scalar, `"`) {
		return ""
	}
	return journal.Unquote(n.scalar)
}

// strings returns the texts of a list of strings.
func (n *jsonNode) strings() []string {
	if n == nil {
		return nil
	}
	var list []string
	for _, item := range n.items {
		list = append(list, item.str())
	}
	return list
}

func jsonStrings(list []string) *jsonNode {
	n := &jsonNode{array: true}
	for _, s := range list {
		n.items = append(n.items, jsonString(s))
	}
	return n
}
