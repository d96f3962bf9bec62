package registry

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// faulty is a journal that fails as told.
type faulty struct {
	journal.Memory
	appendErr atomic.Pointer[error] // returned by Append
	silently  atomic.Bool           // the records are written all the same
	readErr   atomic.Pointer[error]
}

func (f *faulty) Start(ctx context.Context, at journal.Offset, records []journal.Record) (journal.Offset, func(context.Context) error, error) {
	if e := f.appendErr.Load(); e != nil {
		if f.silently.Load() {
			if _, _, err := f.Memory.Start(ctx, at, records); err != nil {
				return 0, nil, err
			}
		}
		return 0, nil, *e
	}
	return f.Memory.Start(ctx, at, records)
}

func (f *faulty) Append(ctx context.Context, at journal.Offset, records []journal.Record) (journal.Offset, error) {
	end, _, err := f.Start(ctx, at, records)
	return end, err
}

func (f *faulty) Read(ctx context.Context, from journal.Offset, max int) ([]journal.Record, journal.Offset, error) {
	if e := f.readErr.Load(); e != nil {
		return nil, from, *e
	}
	return f.Memory.Read(ctx, from, max)
}

func (f *faulty) fail(err error) { f.appendErr.Store(&err) }

func TestFailedAppendIsAnErrorAndIsLookedAtAfterwards(t *testing.T) {
	t.Run("pipelined", func(t *testing.T) {
		f := &faulty{}
		failedAppendIsLookedAt(t, f, open(t, Options{Journal: f}))
	})
	t.Run("one by one", func(t *testing.T) {
		f := &faulty{}
		failedAppendIsLookedAt(t, f, open(t, Options{Journal: oneByOne{f}}))
	})
}

func failedAppendIsLookedAt(t *testing.T, f *faulty, r *Registry) {
	ctx := context.Background()
	f.fail(errors.New("disk full"))
	_, err := r.Register(ctx, "s", avro(`"int"`))
	wantCode(t, err, CodeStore)
	if _, err := r.Version("s", 1, false); CodeOf(err) != CodeSubjectNotFound {
		t.Errorf("what failed is visible: %v", err)
	}
	f.fail(context.DeadlineExceeded)
	_, err = r.Register(ctx, "s", avro(`"int"`))
	wantCode(t, err, CodeStoreTimeout)

	// It failed, and was written all the same: the next write has to see it.
	f.silently.Store(true)
	_, err = r.Register(ctx, "t", avro(`"long"`))
	wantCode(t, err, CodeStoreTimeout)
	f.appendErr.Store(nil)
	if s := mustRegister(t, r, "u", avro(`"long"`)); s.ID != 1 {
		t.Errorf("the definition was given ID %d a second time", s.ID)
	}
	if s := mustRegister(t, r, "v", avro(`"float"`)); s.ID != 2 {
		t.Errorf("got ID %d", s.ID)
	}
}

func TestLostJournalServesNothing(t *testing.T) {
	f := &faulty{}
	r := open(t, Options{Journal: f})
	ctx := context.Background()
	mustRegister(t, r, "s", avro(`"int"`))
	lost := journal.ErrLost
	f.readErr.Store(&lost)
	if _, err := r.SetConfig(ctx, "s", ConfigPatch{Level: Patch[string]{true, "NONE"}}); CodeOf(err) != CodeStore {
		t.Errorf("write: %v", err)
	}
	if r.Ready() == nil {
		t.Error("still ready")
	}
	f.readErr.Store(nil)
	for what, err := range map[string]error{
		"version": second(r.Version("s", 1, false)),
		"id":      second(r.SchemaByID(1, "")),
		"list":    second(r.Subjects(SubjectsQuery{})),
		"lookup":  second(r.Lookup("s", avro(`"int"`), LookupOptions{})),
		"write":   second(r.Register(ctx, "s", avro(`"int"`))),
		"config":  second(r.Config("", false)),
	} {
		if CodeOf(err) != CodeStore || !strings.Contains(err.Error(), "operator") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestCallerThatGivesUpIsToldSo(t *testing.T) {
	r := open(t, Options{})
	r.turn <- struct{}{} // somebody else decides
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- second(r.Register(ctx, "s", avro(`"int"`))) }()
	cancel()
	err := <-done
	<-r.turn
	wantCode(t, err, CodeStoreTimeout)
	if s := mustRegister(t, r, "s", avro(`"int"`)); s.Version != 1 {
		t.Errorf("what was given up was registered: version %d", s.Version)
	}
}

func TestBadRecordsAreSkipped(t *testing.T) {
	m := &journal.Memory{}
	ctx := context.Background()
	_, err := m.Append(ctx, 0, []journal.Record{
		{Key: []byte(`garbage`), Value: []byte(`{}`)},
		{Key: []byte(`{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}`), Value: []byte(`{"subject":`)},
		{Key: []byte(`{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}`), Value: []byte(`{"subject":"s","version":1,"id":7,"schema":"\"int\"","deleted":false}`)},
		{Key: []byte(`{"keytype":"SCHEMA","subject":"t","version":1,"magic":1}`), Value: []byte(`{"subject":"t","version":1,"id":7,"schema":"\"long\"","deleted":false}`)},
		{Key: []byte(`{"keytype":"MODE","subject":"s","magic":0}`), Value: []byte(`{"mode":"WISH"}`)},
		{Key: []byte(`{"keytype":"CONFIG","subject":null,"magic":0}`), Value: []byte(`{"compatibilityLevel":"NONE"}`)},
		{Key: []byte(`{"keytype":"NOOP","magic":0}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, Options{Journal: m})
	if s, err := r.SchemaByID(7, ""); err != nil || s.Text() != `"int"` {
		t.Errorf("id 7: %v, %v", s, err)
	}
	if _, err := r.Version("t", 1, false); CodeOf(err) != CodeSubjectNotFound {
		t.Errorf("a second meaning of id 7 was taken: %v", err)
	}
	if c, err := r.Config("", false); err != nil || c.Level != "NONE" {
		t.Errorf("config of an old release: %+v, %v", c, err)
	}
}

func TestTooLargeRecordIsRefused(t *testing.T) {
	r := open(t, Options{})
	_, err := r.Register(context.Background(), "s", avro(`{"type":"enum","name":"E","symbols":["`+strings.Repeat("A", 1<<20)+`"]}`))
	if code := CodeOf(err); code != CodeTooLarge && code != CodeInvalidSchema {
		t.Errorf("got %v", err)
	}
	_, err = r.Register(context.Background(), "s", avro(`{"type":"record","name":"R","doc":"`+strings.Repeat("doc ", 1<<18)+`","fields":[]}`))
	if code := CodeOf(err); code != CodeTooLarge {
		t.Errorf("got %.200v", err)
	}
}

// TestEveryCodeIsTested: a code that no exchange and no test of this package
// shows is a code that nobody has seen.
func TestEveryCodeIsTested(t *testing.T) {
	files, err := filepath.Glob("rest/testdata/exchanges/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no exchanges", err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	// Shown by tests of this package.
	here := map[Code]bool{CodeStore: true, CodeStoreTimeout: true, CodeTooLarge: true, CodeTooManyKeys: true}
	// Random bytes never fail to come, says crypto/rand.
	never := map[Code]bool{CodeKeyGeneration: true}
	for name, code := range allCodes(t) {
		if !here[code] && !never[code] && !strings.Contains(all.String(), newError(code, "").codeMember()) {
			t.Errorf("no exchange shows %d, %s", code, name)
		}
		if s := code.Status(); s < 400 || s > 599 {
			t.Errorf("%d has status %d", code, s)
		}
	}
}

// allCodes reads the constants of type Code.
func allCodes(t *testing.T) map[string]Code {
	t.Helper()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]Code{}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != gotoken.CONST {
			continue
		}
		for _, spec := range group.Specs {
			v := spec.(*ast.ValueSpec)
			if typ, ok := v.Type.(*ast.Ident); !ok || typ.Name != "Code" {
				continue
			}
			n, err := strconv.Atoi(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes[v.Names[0].Name] = Code(n)
		}
	}
	if len(codes) < 39 {
		t.Fatalf("only %d codes are found in errors.go", len(codes))
	}
	return codes
}

func (e *Error) codeMember() string {
	return `{"error_code":` + strconv.Itoa(int(e.Code)) + `,`
}
