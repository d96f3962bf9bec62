package registry

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// dump writes everything a state knows, in an order of its own, so that two
// states are the same if and only if their dumps are.
func dump(st *state) string {
	var b strings.Builder
	for name, sub := range st.subjects.all() {
		for _, v := range sub.versions {
			fmt.Fprintf(&b, "version %q %d id=%d deleted=%t ts=%d %x %s %s\n", name, v.number, v.id, v.deleted, v.timestamp, v.content.fingerprint, v.content.Type(), v.content.QuotedText())
		}
	}
	for c, cs := range st.contexts.all() {
		fmt.Fprintf(&b, "context %q declared=%t max=%d\n", c, cs.declared, cs.maxID)
		for id, e := range cs.ids.all() {
			uses := slices.SortedFunc(e.uses(), compareUses)
			fmt.Fprintf(&b, "id %q %d %x first=%v uses=%v\n", c, id, e.content.fingerprint, e.first, uses)
		}
	}
	for _, p := range slices.SortedFunc(st.contents.all(), func(a, b *contentPlaces) int {
		return cmp.Or(bytes.Compare(a.content.fingerprint[:], b.content.fingerprint[:]), cmp.Compare(a.content.format, b.content.format))
	}) {
		k := p.content.key()
		places := slices.SortedFunc(p.places(), func(a, b place) int {
			return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
		})
		fmt.Fprintf(&b, "content %x %d %v\n", k.fingerprint, k.format, places)
	}
	for to, by := range st.referees.all() {
		fmt.Fprintf(&b, "referees %v %v\n", to, slices.SortedFunc(slices.Values(by), compareUses))
	}
	for name, c := range st.configs.all() {
		fmt.Fprintf(&b, "config %q %s\n", name, journal.AppendConfig(nil, *c))
	}
	for name, m := range st.modes.all() {
		fmt.Fprintf(&b, "mode %q %s\n", name, m)
	}
	for k, a := range st.assocs.all() {
		fmt.Fprintf(&b, "association %v %+v\n", k, *a)
	}
	for k := range st.assocSub.all() {
		fmt.Fprintf(&b, "by subject %v\n", k)
	}
	for name, k := range st.keks.all() {
		fmt.Fprintf(&b, "kek %q %+v\n", name, *k)
	}
	for k, d := range st.deks.all() {
		fmt.Fprintf(&b, "dek %v %+v\n", k, *d)
	}
	return b.String()
}

// randomOperation does something that may well be refused.
func randomOperation(ctx context.Context, r *Registry, rnd *rand.Rand, imports bool) {
	contexts := []string{"", "", ":.x:", ":.y:"}
	c := contexts[rnd.IntN(len(contexts))]
	name := schema.Subject(c + string(rune('a'+rnd.IntN(4))))
	text := []string{`"int"`, `"long"`, `"float"`, `"double"`, `{"type":"record","name":"R","fields":[]}`,
		`{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1}]}`, `{"type":"enum","name":"E","symbols":["A"]}`}[rnd.IntN(7)]
	version := schema.Version(1 + rnd.IntN(4))
	switch rnd.IntN(20) {
	case 0, 1, 2, 3, 4, 5, 6:
		req := avro(text)
		if imports && rnd.IntN(6) == 0 {
			id := schema.ID(1 + rnd.IntN(30))
			req.ID, req.Version = &id, schema.Version(rnd.IntN(5))
		}
		if rnd.IntN(6) == 0 {
			req.Definition.Metadata = &schema.Metadata{Properties: map[string]string{"k": fmt.Sprint(rnd.IntN(3))}}
		}
		_, _ = r.Register(ctx, name, req)
	case 7, 8:
		req := avro(`{"type":"array","items":"R"}`)
		req.Definition.References = []schema.Reference{{Name: "R", Subject: schema.Subject(rune('a' + rnd.IntN(4))), Version: version}}
		_, _ = r.Register(ctx, name, req)
	case 9, 10:
		_, _ = r.DeleteVersion(ctx, name, version, rnd.IntN(2) == 0)
	case 11, 12, 13:
		_, _ = r.DeleteSubject(ctx, name, rnd.IntN(2) == 0)
	case 14:
		levels := []string{"NONE", "BACKWARD", "FULL_TRANSITIVE", ""}
		_, _ = r.SetConfig(ctx, name, ConfigPatch{Level: Patch[string]{true, levels[rnd.IntN(4)]}})
	case 15:
		_, _ = r.DeleteConfig(ctx, name)
	case 16:
		at := []schema.Subject{name, schema.Subject(c), name}[rnd.IntN(3)]
		_ = r.SetMode(ctx, at, []string{"IMPORT", "READWRITE", "READONLY", "READWRITE"}[rnd.IntN(4)], rnd.IntN(2) == 0)
	case 17:
		_, _ = r.DeleteMode(ctx, []schema.Subject{name, schema.Subject(c)}[rnd.IntN(2)], rnd.IntN(2) == 0)
	case 18:
		resource := fmt.Sprint("t", rnd.IntN(3))
		_, _ = r.Associate(ctx, AssociateRequest{ResourceName: resource, ResourceNamespace: "ns", ResourceID: resource,
			Associations: []AssociateItem{{Subject: name}}}, rnd.IntN(2) == 0)
	case 19:
		if rnd.IntN(2) == 0 {
			_ = r.Dissociate(ctx, DissociateRequest{ResourceID: fmt.Sprint("t", rnd.IntN(3))})
		} else {
			_ = r.DeleteContext(ctx, ".y")
		}
	}
}

// TestReplayMakesTheSameState: what is replayed is what was there, whether or
// not the journal was compacted meanwhile, and no ID ever changes its meaning.
func TestReplayMakesTheSameState(t *testing.T) {
	ctx := context.Background()
	appended := journal.Offset(0)
	for round := range 60 {
		seed := rand.Uint64()
		imports := round%2 == 0
		rnd := rand.New(rand.NewPCG(seed, 1))
		m := &journal.Memory{}
		r := open(t, Options{Journal: m})
		meanings := map[place]schema.Fingerprint{}
		for step := range 250 {
			randomOperation(ctx, r, rnd, imports)
			if !imports { // an import may choose an ID whose records are all gone
				noteMeanings(t, r.snap.Load(), meanings, seed)
			}
			if rnd.IntN(100) == 0 {
				m.Compact(rnd.IntN(2) == 0)
			}
			if step%50 != 49 {
				continue
			}
			live := dump(r.snap.Load())
			if replayed := dump(open(t, Options{Journal: m}).snap.Load()); replayed != live {
				t.Fatalf("seed %d step %d: replayed differs\n%s", seed, step, firstDifference(live, replayed))
			}
		}
		live := dump(r.snap.Load())
		for _, tombstones := range []bool{false, true} {
			m.Compact(tombstones)
			if replayed := dump(open(t, Options{Journal: m}).snap.Load()); replayed != live {
				t.Fatalf("seed %d, compacted: replayed differs\n%s", seed, firstDifference(live, replayed))
			}
		}
		appended += r.End()
	}
	if appended < 60*50 {
		t.Errorf("only %d records were appended: the operations are all refused", appended)
	}
	t.Logf("%d records", appended)
}

// noteMeanings fails if an ID stands for something else than before. A deleted
// context starts over, so its IDs are forgotten.
func noteMeanings(t *testing.T, st *state, meanings map[place]schema.Fingerprint, seed uint64) {
	t.Helper()
	for at := range maps.Clone(meanings) {
		if st.context(at.context) == nil {
			delete(meanings, at)
		}
	}
	for c, cs := range st.contexts.all() {
		for id, e := range cs.ids.all() {
			at := place{c, id}
			if old, ok := meanings[at]; ok && old != e.content.fingerprint {
				t.Fatalf("seed %d: id %d of context %s changed its meaning", seed, id, c)
			}
			meanings[at] = e.content.fingerprint
		}
	}
}

func firstDifference(a, b string) string {
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range la {
		if i >= len(lb) || la[i] != lb[i] {
			other := "nothing"
			if i < len(lb) {
				other = lb[i]
			}
			return "live     " + la[i] + "\nreplayed " + other
		}
	}
	return "replayed has more: " + lb[len(la)]
}
