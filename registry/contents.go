package registry

import (
	"encoding/binary"
	"iter"
	"slices"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// contentTree finds what is known of a content. Like tree it is persistent and
// copies no node twice under one token. Fingerprints are spread evenly, so it
// goes by their digits and compares no keys on its way:
//
//	fingerprint  7 f 0 3 …
//	root ─7─▶ node ─f─▶ leaf: (first 8 bytes, places) (…) …
//
// A leaf with more than leafContents splits by the next digit. Contents come in
// no order.
type contentTree struct {
	root *contentNode
	n    int
}

const (
	leafContents = 64
	// fingerprintDigits is how deep the tree gets at most. Beyond, there are only
	// the formats of one text.
	fingerprintDigits = 2 * len(schema.Fingerprint{})
)

type contentNode struct {
	own  *token
	kids *[16]*contentNode // nil of a leaf
	list []contentSlot     // of a leaf
}

// contentSlot has the beginning of the fingerprint beside the pointer: a look
// at the wrong content costs no memory access of its own.
type contentSlot struct {
	head   uint64
	places *contentPlaces
}

func headOf(f *schema.Fingerprint) uint64 { return binary.BigEndian.Uint64(f[:]) }

func digit(f *schema.Fingerprint, depth int) byte {
	return f[depth/2] >> (4 * (1 - depth%2)) & 15
}

func (t *contentTree) len() int { return t.n }

// leaf returns the leaf in which contents of that fingerprint lie, if any do.
func (t *contentTree) leaf(f *schema.Fingerprint) *contentNode {
	n := t.root
	for depth := 0; n != nil && n.kids != nil; depth++ {
		n = n.kids[digit(f, depth)]
	}
	return n
}

// find returns the place of a content in a leaf, -1 if it is not there.
func (n *contentNode) find(key *contentKey) int {
	head := headOf(&key.fingerprint)
	for i := range n.list {
		if n.list[i].head == head && n.list[i].places.content.key() == *key {
			return i
		}
	}
	return -1
}

// ref returns what is known of a content, nil if that is nothing. It must not be
// changed.
func (t *contentTree) ref(key contentKey) *contentPlaces {
	if n := t.leaf(&key.fingerprint); n != nil {
		if i := n.find(&key); i >= 0 {
			return n.list[i].places
		}
	}
	return nil
}

// of yields what is known of the contents with one fingerprint.
func (t *contentTree) of(f schema.Fingerprint) iter.Seq[*contentPlaces] {
	return func(yield func(*contentPlaces) bool) {
		n := t.leaf(&f)
		if n == nil {
			return
		}
		for _, s := range n.list {
			if s.places.content.fingerprint == f && !yield(s.places) {
				return
			}
		}
	}
}

// all yields everything.
func (t *contentTree) all() iter.Seq[*contentPlaces] {
	return func(yield func(*contentPlaces) bool) { t.root.walk(yield) }
}

func (n *contentNode) walk(yield func(*contentPlaces) bool) bool {
	if n == nil {
		return true
	}
	if n.kids != nil {
		for _, kid := range n.kids {
			if !kid.walk(yield) {
				return false
			}
		}
	}
	for _, s := range n.list {
		if !yield(s.places) {
			return false
		}
	}
	return true
}

// set puts p in the place of what was known of its content.
func (t *contentTree) set(own *token, p *contentPlaces) {
	key := p.content.key()
	root, added := t.root.insert(own, 0, &key, p)
	t.root = root
	if added {
		t.n++
	}
}

func (n *contentNode) insert(own *token, depth int, key *contentKey, p *contentPlaces) (_ *contentNode, added bool) {
	if n == nil {
		return &contentNode{own: own, list: []contentSlot{{headOf(&key.fingerprint), p}}}, true
	}
	n = n.editable(own)
	if n.kids != nil {
		kid := &n.kids[digit(&key.fingerprint, depth)]
		*kid, added = (*kid).insert(own, depth+1, key, p)
		return n, added
	}
	if i := n.find(key); i >= 0 {
		n.list[i].places = p
		return n, false
	}
	n.list = append(n.list, contentSlot{headOf(&key.fingerprint), p})
	if len(n.list) > leafContents && depth < fingerprintDigits {
		n.split(depth)
	}
	return n, true
}

// split makes a leaf an inner node.
func (n *contentNode) split(depth int) {
	list := n.list
	n.kids, n.list = new([16]*contentNode), nil
	for _, s := range list {
		kid := &n.kids[digit(&s.places.content.fingerprint, depth)]
		if *kid == nil {
			*kid = &contentNode{own: n.own, list: make([]contentSlot, 0, leafContents/8)}
		}
		(*kid).list = append((*kid).list, s)
	}
}

// delete removes a content.
func (t *contentTree) delete(own *token, key contentKey) {
	if t.ref(key) == nil {
		return
	}
	t.n--
	t.root = t.root.remove(own, 0, &key)
}

// remove returns nil if nothing is left of n.
func (n *contentNode) remove(own *token, depth int, key *contentKey) *contentNode {
	n = n.editable(own)
	if n.kids == nil {
		i := n.find(key)
		if n.list = slices.Delete(n.list, i, i+1); len(n.list) == 0 {
			return nil
		}
		return n
	}
	kid := &n.kids[digit(&key.fingerprint, depth)]
	if *kid = (*kid).remove(own, depth+1, key); *kid == nil && *n.kids == ([16]*contentNode{}) {
		return nil
	}
	return n
}

func (n *contentNode) editable(own *token) *contentNode {
	if n.own == own {
		return n
	}
	c := &contentNode{own: own}
	if n.kids != nil {
		kids := *n.kids
		c.kids = &kids
		return c
	}
	c.list = append(make([]contentSlot, 0, len(n.list)+1), n.list...) // one is likely to be added
	return c
}
