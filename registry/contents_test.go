package registry

import (
	"math/rand/v2"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// crowded makes fingerprints of which many agree in their first digits, up to
// all of them.
func crowded(rnd *rand.Rand) contentKey {
	var k contentKey
	for i := rnd.IntN(len(k.fingerprint) + 1); i < len(k.fingerprint); i++ {
		k.fingerprint[i] = byte(rnd.IntN(3) * 0x11)
	}
	k.format = format(rnd.IntN(int(unknownFormat) + 1))
	return k
}

// even makes fingerprints as MD5 does.
func even(rnd *rand.Rand) contentKey {
	var k contentKey
	k.fingerprint[0], k.fingerprint[1] = byte(rnd.IntN(256)), byte(rnd.IntN(16))
	return k
}

func TestContentTreeIsAMapWithSnapshots(t *testing.T) {
	for name, key := range map[string]func(*rand.Rand) contentKey{"crowded": crowded, "even": even} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			rnd := rand.New(rand.NewPCG(seed, 1))
			type snapshot struct {
				tree contentTree
				want map[contentKey]*contentPlaces
			}
			var past []snapshot
			var tree contentTree
			want := map[contentKey]*contentPlaces{}
			own, leaning := &token{}, 0
			for step := range 20_000 {
				if step%1000 == 0 { // now it mostly grows, now it mostly shrinks
					leaning = 2 + rnd.IntN(7)
				}
				k := key(rnd)
				if rnd.IntN(10) < leaning {
					p := &contentPlaces{content: &Content{fingerprint: k.fingerprint, format: k.format}, first: place{id: schema.ID(step)}}
					tree.set(own, p)
					want[k] = p
				} else {
					tree.delete(own, k)
					delete(want, k)
				}
				if step%500 == 0 {
					kept := map[contentKey]*contentPlaces{}
					for k, p := range want {
						kept[k] = p
					}
					past, own = append(past, snapshot{tree, kept}), &token{}
				}
			}
			for k := range want {
				tree.delete(own, k)
			}
			past = append(past, snapshot{tree, nil})
			for i, s := range past {
				if s.tree.len() != len(s.want) {
					t.Fatalf("seed %d, snapshot %d: %d contents, want %d", seed, i, s.tree.len(), len(s.want))
				}
				for k, p := range s.want {
					if s.tree.ref(k) != p {
						t.Fatalf("seed %d, snapshot %d: %v is not what it was", seed, i, k)
					}
				}
				yielded := 0
				for p := range s.tree.all() {
					if yielded++; s.want[p.content.key()] != p {
						t.Fatalf("seed %d, snapshot %d: yields %v", seed, i, p.content.key())
					}
				}
				if yielded != len(s.want) {
					t.Fatalf("seed %d, snapshot %d: yields %d of %d", seed, i, yielded, len(s.want))
				}
				for range 100 {
					k := key(rnd)
					formats := 0
					for f := range unknownFormat + 1 {
						if s.want[contentKey{k.fingerprint, f}] != nil {
							formats++
						}
					}
					for p := range s.tree.of(k.fingerprint) {
						if formats--; p.content.fingerprint != k.fingerprint {
							t.Fatalf("seed %d, snapshot %d: of %x yields %x", seed, i, k.fingerprint, p.content.fingerprint)
						}
					}
					if formats != 0 {
						t.Fatalf("seed %d, snapshot %d: of %x yields %d too few", seed, i, k.fingerprint, formats)
					}
				}
			}
			if tree.root != nil {
				t.Errorf("seed %d: nodes are left of an empty tree", seed)
			}
		})
	}
}
