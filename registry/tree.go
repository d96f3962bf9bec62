package registry

import (
	"iter"
	"slices"
)

// tree is a persistent ordered map (a B+ tree): a copy of the struct is a
// snapshot that later changes of the original do not touch. Changes copy only
// the nodes on their path, and none that was already copied under the same
// token; so a batch of changes under one token costs little more than in a
// mutable tree, and one change at 100k keys copies three nodes.
type tree[K, V any] struct {
	root *node[K, V]
	n    int
	cmp  func(a, b K) int
}

// token owns the nodes made under it. It must have a size: pointers to
// zero-size values may be equal.
type token struct{ _ byte }

const maxKeys = 32

type node[K, V any] struct {
	own  *token
	keys []K           // of an inner node: a lower bound of each kid; keys[0] is not looked at
	vals []V           // leaves only
	kids []*node[K, V] // inner nodes only
}

func newTree[K, V any](cmp func(a, b K) int) tree[K, V] { return tree[K, V]{cmp: cmp} }

func (t *tree[K, V]) len() int { return t.n }

// get returns the value under k, the zero value if there is none.
func (t *tree[K, V]) get(k K) (V, bool) {
	if v := t.ref(k); v != nil {
		return *v, true
	}
	var zero V
	return zero, false
}

// ref returns where the value under k lies, nil if there is none. It must not be
// changed, and is good until the tree is.
func (t *tree[K, V]) ref(k K) *V {
	n := t.root
	for n != nil && n.kids != nil {
		n = n.kids[t.kid(n, k)]
	}
	if n != nil {
		if i, ok := t.search(n.keys, k); ok {
			return &n.vals[i]
		}
	}
	return nil
}

// search finds k. What is looked for is often the last or beyond it: IDs are
// given out in order, and versions follow each other.
func (t *tree[K, V]) search(keys []K, k K) (int, bool) {
	if last := len(keys) - 1; last >= 0 {
		if c := t.cmp(keys[last], k); c <= 0 {
			return last + min(-c, 1), c == 0
		}
		keys = keys[:last]
	}
	return slices.BinarySearchFunc(keys, k, t.cmp)
}

// kid returns the index of the kid whose range k is in.
func (t *tree[K, V]) kid(n *node[K, V], k K) int {
	i, ok := t.search(n.keys[1:], k)
	if ok {
		return i + 1
	}
	return i
}

// set puts v under k.
func (t *tree[K, V]) set(own *token, k K, v V) {
	if t.root == nil {
		t.root = &node[K, V]{own: own, keys: []K{k}, vals: []V{v}}
		t.n = 1
		return
	}
	root, right, bound := t.insert(own, t.root, k, v)
	if right != nil {
		root = &node[K, V]{own: own, keys: []K{root.keys[0], bound}, kids: []*node[K, V]{root, right}}
	}
	t.root = root
}

func (t *tree[K, V]) insert(own *token, n *node[K, V], k K, v V) (left, right *node[K, V], bound K) {
	if n.kids == nil {
		i, ok := t.search(n.keys, k)
		if ok {
			n = n.editable(own)
			n.vals[i] = v
			return n, nil, bound
		}
		t.n++
		if n.own == own {
			n.keys = slices.Insert(n.keys, i, k)
			n.vals = slices.Insert(n.vals, i, v)
		} else {
			n = &node[K, V]{own: own, keys: inserted(n.keys, i, k), vals: inserted(n.vals, i, v)}
		}
		if len(n.keys) <= maxKeys {
			return n, nil, bound
		}
		at := splitAt(i)
		right = &node[K, V]{own: own, keys: slices.Clone(n.keys[at:]), vals: slices.Clone(n.vals[at:])}
		n.keys, n.vals = shrink(n.keys, at), shrink(n.vals, at)
		return n, right, right.keys[0]
	}
	n = n.editable(own)
	i := t.kid(n, k)
	kid, kidRight, kidBound := t.insert(own, n.kids[i], k, v)
	n.kids[i] = kid
	if kidRight == nil {
		return n, nil, bound
	}
	n.keys = slices.Insert(n.keys, i+1, kidBound)
	n.kids = slices.Insert(n.kids, i+1, kidRight)
	if len(n.keys) <= maxKeys {
		return n, nil, bound
	}
	at := splitAt(i + 1)
	right = &node[K, V]{own: own, keys: slices.Clone(n.keys[at:]), kids: slices.Clone(n.kids[at:])}
	n.keys, n.kids = shrink(n.keys, at), shrink(n.kids, at)
	return n, right, right.keys[0]
}

// inserted returns a copy of s with x at i.
func inserted[T any](s []T, i int, x T) []T {
	out := make([]T, len(s)+1)
	copy(out, s[:i])
	out[i] = x
	copy(out[i+1:], s[i:])
	return out
}

// splitAt halves a full node, unless keys arrive in order: then the left half
// stays full.
func splitAt(inserted int) int {
	if inserted == maxKeys {
		return maxKeys
	}
	return (maxKeys + 1) / 2
}

func shrink[T any](s []T, n int) []T {
	clear(s[n:])
	return s[:n]
}

// delete removes k. Nodes may stay less than half full; empty ones go.
func (t *tree[K, V]) delete(own *token, k K) {
	if _, ok := t.get(k); !ok {
		return
	}
	t.n--
	t.root = t.remove(own, t.root, k)
	for t.root != nil && len(t.root.kids) == 1 {
		t.root = t.root.kids[0]
	}
}

func (t *tree[K, V]) remove(own *token, n *node[K, V], k K) *node[K, V] {
	n = n.editable(own)
	if n.kids == nil {
		i, _ := slices.BinarySearchFunc(n.keys, k, t.cmp)
		n.keys = slices.Delete(n.keys, i, i+1)
		n.vals = slices.Delete(n.vals, i, i+1)
		if len(n.keys) == 0 {
			return nil
		}
		return n
	}
	i := t.kid(n, k)
	if kid := t.remove(own, n.kids[i], k); kid != nil {
		n.kids[i] = kid
		return n
	}
	n.keys = slices.Delete(n.keys, i, i+1)
	n.kids = slices.Delete(n.kids, i, i+1)
	if len(n.kids) == 0 {
		return nil
	}
	return n
}

func (n *node[K, V]) editable(own *token) *node[K, V] {
	if n.own == own {
		return n
	}
	return &node[K, V]{own: own, keys: slices.Clone(n.keys), vals: slices.Clone(n.vals), kids: slices.Clone(n.kids)}
}

// all yields every pair in order.
func (t *tree[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { t.root.walk(yield) }
}

// from yields the pairs with keys of k and above, in order.
func (t *tree[K, V]) from(k K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { t.walkFrom(t.root, k, yield) }
}

func (n *node[K, V]) walk(yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	for _, kid := range n.kids {
		if !kid.walk(yield) {
			return false
		}
	}
	for i, v := range n.vals {
		if !yield(n.keys[i], v) {
			return false
		}
	}
	return true
}

func (t *tree[K, V]) walkFrom(n *node[K, V], k K, yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	if n.kids == nil {
		i, _ := slices.BinarySearchFunc(n.keys, k, t.cmp)
		for ; i < len(n.keys); i++ {
			if !yield(n.keys[i], n.vals[i]) {
				return false
			}
		}
		return true
	}
	i := t.kid(n, k)
	if !t.walkFrom(n.kids[i], k, yield) {
		return false
	}
	for _, kid := range n.kids[i+1:] {
		if !kid.walk(yield) {
			return false
		}
	}
	return true
}
