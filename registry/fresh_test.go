package registry

import (
	"context"
	"errors"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// deaf is a journal whose end its follower never hears of.
type deaf struct {
	*journal.Memory
	endErr error
}

func (d *deaf) Wait(ctx context.Context, _ journal.Offset) error {
	<-ctx.Done()
	return ctx.Err()
}

func (d *deaf) End(ctx context.Context) (journal.Offset, error) {
	if d.endErr != nil {
		return 0, d.endErr
	}
	return d.Memory.End(ctx)
}

func TestWhatAnotherInstanceRegisteredIsFoundAtOnce(t *testing.T) {
	for name, find := range map[string]func(*Registry, Schema) error{
		"by ID":    func(r *Registry, s Schema) error { _, err := r.SchemaByID(s.ID, ""); return err },
		"uses":     func(r *Registry, s Schema) error { _, err := r.VersionsByID(s.ID, "", false, Page{}); return err },
		"by GUID":  func(r *Registry, s Schema) error { _, err := r.SchemaByGUID(s.Content.GUID().String()); return err },
		"version":  func(r *Registry, s Schema) error { _, err := r.Version("s", 1, false); return err },
		"latest":   func(r *Registry, s Schema) error { _, err := r.Version("s", schema.Latest, false); return err },
		"versions": func(r *Registry, s Schema) error { _, err := r.Versions("s", VersionsQuery{}); return err },
		"lookup":   func(r *Registry, s Schema) error { _, err := r.Lookup("s", avro(`"int"`), LookupOptions{}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			m := &journal.Memory{}
			writer, reader := open(t, Options{Journal: m}), open(t, Options{Journal: &deaf{Memory: m}})
			s := mustRegister(t, writer, "s", avro(`"int"`))
			if err := find(reader, s); err != nil {
				t.Errorf("found at the writer only: %v", err)
			}
		})
	}
}

func TestNotFoundIsNotSaidWhileTheJournalIsAway(t *testing.T) {
	d := &deaf{Memory: &journal.Memory{}}
	r := open(t, Options{Journal: d})
	s := mustRegister(t, r, "s", avro(`"int"`))
	d.endErr = errors.New("connection refused")
	if _, err := r.SchemaByID(s.ID, ""); err != nil {
		t.Errorf("what is known needs no journal: %v", err)
	}
	_, err := r.SchemaByID(s.ID+1, "")
	wantCode(t, err, CodeStore)
}
