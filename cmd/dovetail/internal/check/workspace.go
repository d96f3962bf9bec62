package check

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/formats"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Bounds of a workspace, far above any honest folder.
const (
	maxFileBytes = 16 << 20
	maxFiles     = 100_000
)

// Workspace is a set of schema files that may refer to each other. Paths are
// relative to its root, with slashes.
type Workspace struct {
	files      map[string]*file
	protoPaths []string
	avroNames  map[string]string    // full name → path of the file that defines it
	jsonIDs    map[string]string    // $id → path
	ambiguous  map[string][2]string // Avro names that two files define → two of them
	skipped    []string
}

type file struct {
	path string
	typ  schema.Type
	text string
	uses []use // what it refers to and does not define
	// identity is what the file defines, under names that outlive a move.
	identity []string
}

// use is one outward reference of a file. A reference may be looked for under
// several names: the first that is found counts.
type use struct {
	name       string   // as the format's parser will ask for it
	candidates []string // paths or full names, by format
}

// SchemaType returns the format that a file's ending stands for.
func SchemaType(name string) (schema.Type, bool) {
	switch path.Ext(name) {
	case ".avsc":
		return schema.Avro, true
	case ".proto":
		return schema.Protobuf, true
	case ".json":
		return schema.JSON, true
	}
	return "", false
}

// ReadFolder reads all schema files below the root of fsys. Folders whose name
// starts with a dot or an underscore, node_modules and vendor are left out, and
// so are symbolic links, which git keeps as text, and whatever else is no file.
func ReadFolder(fsys fs.FS, protoPaths []string) (*Workspace, error) {
	texts := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && ignoredFolder(d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if _, ok := SchemaType(name); !ok || !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Size() > maxFileBytes {
			return fmt.Errorf("%s: %d bytes, more than the %d that a schema file may have", name, info.Size(), maxFileBytes)
		}
		if len(texts) == maxFiles {
			return fmt.Errorf("more than %d schema files: name a smaller folder", maxFiles)
		}
		b, err := fs.ReadFile(fsys, name)
		texts[name] = string(b)
		return err
	})
	if err != nil {
		return nil, err
	}
	return NewWorkspace(texts, protoPaths), nil
}

func ignoredFolder(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "node_modules" || name == "vendor"
}

// byteOrderMark is what some editors put before the text, and no parser wants.
const byteOrderMark = "\ufeff"

// NewWorkspace makes a workspace of texts by path. protoPaths are further
// folders, relative to the root, in which Protobuf imports are looked for.
func NewWorkspace(texts map[string]string, protoPaths []string) *Workspace {
	ws := &Workspace{
		files:      map[string]*file{},
		protoPaths: protoPaths,
		avroNames:  map[string]string{},
		jsonIDs:    map[string]string{},
		ambiguous:  map[string][2]string{},
	}
	for _, name := range slices.Sorted(keys(texts)) {
		typ, ok := SchemaType(name)
		if !ok {
			continue
		}
		f := &file{path: name, typ: typ, text: strings.TrimPrefix(texts[name], byteOrderMark)}
		switch typ {
		case schema.Avro:
			ws.scanAvro(f)
		case schema.Protobuf:
			ws.scanProtobuf(f)
		case schema.JSON:
			if !looksLikeJSONSchema(f.text) {
				ws.skipped = append(ws.skipped, name)
				continue
			}
			ws.scanJSON(f)
		}
		ws.files[name] = f
	}
	return ws
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Paths returns the schema files in order.
func (ws *Workspace) Paths() []string { return slices.Sorted(keys(ws.files)) }

// Skipped returns the files that have a schema's ending and hold none.
func (ws *Workspace) Skipped() []string { return ws.skipped }

// Has reports whether there is a schema file at path.
func (ws *Workspace) Has(path string) bool { return ws.files[path] != nil }

// Source returns the file at path with everything that it refers to.
func (ws *Workspace) Source(path string) (compat.Source, error) {
	f := ws.files[path]
	if f == nil {
		return compat.Source{}, fmt.Errorf("%s: no such schema file", path)
	}
	c := collector{ws: ws, root: path, done: map[string]bool{}, active: map[string]bool{}, named: map[string]bool{}}
	if err := c.collect(f, nil); err != nil {
		return compat.Source{}, err
	}
	return compat.Source{Type: f.typ, Text: f.text, Dependencies: c.out}, nil
}

// Parse parses the file at path the way a registry parses a new schema.
func (ws *Workspace) Parse(path string) (compat.Schema, error) {
	src, err := ws.Source(path)
	if err != nil {
		return nil, err
	}
	src.Strict = true
	return formats.Parse(src)
}

// collector gathers dependencies depth first, each before what uses it.
type collector struct {
	ws     *Workspace
	root   string
	out    []compat.Dependency
	done   map[string]bool // by path
	active map[string]bool
	named  map[string]bool
}

func (c *collector) collect(f *file, trail []string) error {
	c.active[f.path] = true
	defer delete(c.active, f.path)
	for _, u := range f.uses {
		if f.typ == schema.Avro {
			if two, ok := c.ws.ambiguous[u.name]; ok {
				return fmt.Errorf("%s refers to the Avro name %s, which is defined in %s and in %s: rename one of them", f.path, u.name, two[0], two[1])
			}
		}
		target := c.ws.find(f, u)
		if target == nil || target.path == c.root && f.path == c.root {
			continue // the parser knows it, or says what is missing
		}
		if c.active[target.path] {
			return fmt.Errorf("files refer to each other in a circle: %s", strings.Join(append(trail, f.path, target.path), " → "))
		}
		if !c.done[target.path] {
			c.done[target.path] = true
			if err := c.collect(target, append(trail, f.path)); err != nil {
				return err
			}
		}
		if !c.named[u.name] {
			c.named[u.name] = true
			c.out = append(c.out, compat.Dependency{Name: u.name, Text: target.text})
		}
	}
	return nil
}

// find returns the file that a reference of f names, or nil.
func (ws *Workspace) find(f *file, u use) *file {
	for _, c := range u.candidates {
		switch f.typ {
		case schema.Avro:
			if p, ok := ws.avroNames[c]; ok {
				return ws.files[p]
			}
		case schema.JSON:
			if p, ok := ws.jsonIDs[c]; ok {
				return ws.files[p]
			}
			fallthrough
		case schema.Protobuf:
			if t := ws.files[c]; t != nil && t.typ == f.typ {
				return t
			}
		}
	}
	return nil
}
