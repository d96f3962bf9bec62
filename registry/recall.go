package registry

import (
	"hash/maphash"
	"sync"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// recall remembers which fingerprint the stored form of a text has that somebody
// sent, so that a text that comes again, as it does at the start of every
// producer, is not parsed again. It knows texts by a keyed hash of 128 bits,
// which nobody outside can make collide, and holds no pointers.
type recall struct {
	seeds [2]maphash.Seed

	mu         sync.Mutex
	young, old map[recallKey]schema.Fingerprint // of at most recallBound each
}

type recallKey [2]uint64

// recallBound is how many texts are remembered, between once and twice.
const recallBound = 1 << 15

func newRecall() *recall {
	return &recall{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, young: map[recallKey]schema.Fingerprint{}}
}

// key is that of a bare text: one without references.
func (c *recall) key(f format, normalize bool, text string) recallKey {
	var k recallKey
	for i, seed := range c.seeds {
		k[i] = maphash.String(seed, text) ^ uint64(f)<<1
		if normalize {
			k[i] ^= 1
		}
	}
	return k
}

func (c *recall) get(k recallKey) (schema.Fingerprint, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.young[k]
	if !ok {
		if f, ok = c.old[k]; ok {
			c.put(k, f)
		}
	}
	return f, ok
}

func (c *recall) learn(k recallKey, f schema.Fingerprint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(k, f)
}

func (c *recall) put(k recallKey, f schema.Fingerprint) {
	if len(c.young) >= recallBound {
		c.old, c.young = c.young, map[recallKey]schema.Fingerprint{}
	}
	c.young[k] = f
}

// recalled finds a bare text among the versions of sub without parsing it: it
// stands there as it was sent, or it was sent before.
func (r *Registry) recalled(st *state, sub *subject, d schema.Definition, normalize, deleted bool) (Schema, bool) {
	if sub == nil || !bare(d) {
		return Schema{}, false
	}
	f := formatOf(d.Type)
	var v *version
	if !normalize {
		v = st.exactly(sub, contentKey{d.Fingerprint(), f}, deleted)
	}
	if v == nil {
		if known, ok := r.recall.get(r.recall.key(f, normalize, d.Text)); ok {
			v = st.exactly(sub, contentKey{known, f}, deleted)
		}
	}
	if v == nil {
		return Schema{}, false
	}
	found := sub.schemaOf(v)
	found.Stored = false
	return found, true
}

// bare reports whether there is nothing but a text.
func bare(d schema.Definition) bool {
	return d.Text != "" && len(d.References) == 0 && d.Metadata == nil && d.RuleSet == nil
}
