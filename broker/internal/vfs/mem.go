package vfs

import (
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// sectorBytes is the unit in which a crash tears a write.
const sectorBytes = 512

// Mem is a file system in memory that remembers what is durable.
type Mem struct {
	mu      sync.Mutex
	root    *node
	pending []nameChange // since the last SyncDir of their folders
	renames int          // so far
}

// nameChange sets a name in a folder, or removes it if node is nil. A rename is two
// changes with one group, which a crash keeps or loses together.
type nameChange struct {
	dir   *node
	name  string
	node  *node
	group int
}

// node is a file or a folder.
type node struct {
	names   map[string]*node // of a folder; nil for a file
	durable map[string]*node // what a crash leaves of names
	data    []byte
	synced  []byte   // content at the last Sync
	changes []change // since then
}

// change is a write at a position, or a truncation to it.
type change struct {
	pos      int64
	data     []byte
	truncate bool
}

// NewMem returns an empty file system with a root folder, which "." and "/" name.
func NewMem() *Mem { return &Mem{root: newFolder()} }

func newFolder() *node { return &node{names: map[string]*node{}, durable: map[string]*node{}} }

func (n *node) isDir() bool { return n.names != nil }

func pathError(op, path string, err error) error { return &fs.PathError{Op: op, Path: path, Err: err} }

// find returns what a path names, or nil.
func (m *Mem) find(path string) *node {
	n := m.root
	for name := range strings.FieldsFuncSeq(filepath.Clean(path), func(r rune) bool { return r == filepath.Separator }) {
		if name == "." {
			continue
		}
		if n = n.names[name]; n == nil {
			return nil
		}
	}
	return n
}

// folder returns the folder at a path, or nil.
func (m *Mem) folder(path string) *node {
	if n := m.find(path); n != nil && n.isDir() {
		return n
	}
	return nil
}

// parent returns the folder that holds a path, which may be nil, and its name there.
func (m *Mem) parent(path string) (*node, string) {
	path = filepath.Clean(path)
	return m.folder(filepath.Dir(path)), filepath.Base(path)
}

func (m *Mem) set(dir *node, name string, n *node, group int) {
	c := nameChange{dir: dir, name: name, node: n, group: group}
	c.apply(dir.names)
	m.pending = append(m.pending, c)
}

func (c nameChange) apply(names map[string]*node) {
	if c.node == nil {
		delete(names, c.name)
	} else {
		names[c.name] = c.node
	}
}

// Create implements [FS].
func (m *Mem) Create(path string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, name := m.parent(path)
	if dir == nil {
		return nil, pathError("create", path, fs.ErrNotExist)
	}
	n := dir.names[name]
	switch {
	case n == nil:
		n = &node{}
		m.set(dir, name, n, 0)
	case n.isDir():
		return nil, pathError("create", path, fs.ErrExist)
	default:
		n.truncate(0)
	}
	return &memFile{fs: m, node: n, path: path}, nil
}

// OpenFile implements [FS].
func (m *Mem) OpenFile(path string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(path)
	if n == nil || n.isDir() {
		return nil, pathError("open", path, fs.ErrNotExist)
	}
	return &memFile{fs: m, node: n, path: path}, nil
}

// Rename implements [FS].
func (m *Mem) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, name := m.parent(from)
	if dir == nil || dir.names[name] == nil {
		return pathError("rename", from, fs.ErrNotExist)
	}
	n := dir.names[name]
	toDir, toName := m.parent(to)
	if toDir == nil {
		return pathError("rename", to, fs.ErrNotExist)
	}
	if old := toDir.names[toName]; old != nil && (old.isDir() || n.isDir()) {
		return pathError("rename", to, fs.ErrExist)
	}
	m.renames++
	m.set(toDir, toName, n, m.renames)
	m.set(dir, name, nil, m.renames)
	return nil
}

// Remove implements [FS].
func (m *Mem) Remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, name := m.parent(path)
	if dir == nil || dir.names[name] == nil {
		return pathError("remove", path, fs.ErrNotExist)
	}
	if len(dir.names[name].names) > 0 {
		return pathError("remove", path, fs.ErrExist)
	}
	m.set(dir, name, nil, 0)
	return nil
}

// MkdirAll implements [FS].
func (m *Mem) MkdirAll(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mkdirAll(filepath.Clean(path))
}

func (m *Mem) mkdirAll(path string) error {
	if n := m.find(path); n != nil {
		if !n.isDir() {
			return pathError("mkdir", path, fs.ErrExist)
		}
		return nil
	}
	if err := m.mkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	dir, name := m.parent(path)
	m.set(dir, name, newFolder(), 0)
	return nil
}

// List implements [FS].
func (m *Mem) List(path string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.folder(path)
	if n == nil {
		return nil, pathError("list", path, fs.ErrNotExist)
	}
	return slices.Sorted(maps.Keys(n.names)), nil
}

// Stat implements [FS].
func (m *Mem) Stat(path string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(path)
	if n == nil {
		return Info{}, pathError("stat", path, fs.ErrNotExist)
	}
	return Info{SizeBytes: int64(len(n.data)), IsDir: n.isDir()}, nil
}

// SyncDir implements [FS].
func (m *Mem) SyncDir(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir := m.folder(path)
	if dir == nil {
		return pathError("syncdir", path, fs.ErrNotExist)
	}
	rest := m.pending[:0]
	for _, c := range m.pending {
		if c.dir == dir {
			c.apply(dir.durable)
		} else {
			rest = append(rest, c)
		}
	}
	clear(m.pending[len(rest):])
	m.pending = rest
	return nil
}

// CrashCopy returns what a power cut at this moment may leave. What was synced is
// there; of the unsynced name changes of each folder a random number of the
// first survives; of the unsynced writes each survives, is lost or is torn at a
// sector, in any combination. The seed decides.
func (m *Mem) CrashCopy(seed uint64) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	random := rand.New(rand.NewPCG(seed, 0x5eed))
	names := map[*node]map[string]*node{} // of folders with pending changes
	lost := map[*node]bool{}
	group := 0
	for _, c := range m.pending {
		if !(c.group != 0 && c.group == group) && !lost[c.dir] && random.IntN(3) == 0 {
			lost[c.dir] = true
		}
		group = c.group
		if names[c.dir] == nil {
			names[c.dir] = maps.Clone(c.dir.durable)
		}
		if !lost[c.dir] {
			c.apply(names[c.dir])
		}
	}
	// A file that is reachable by two names, in the middle of a rename, is one.
	copies := map[*node]*node{}
	var crash func(n *node) *node
	crash = func(n *node) *node {
		switch after := copies[n]; {
		case after != nil:
			return after
		case !n.isDir():
			copies[n] = n.crashCopy(random)
			return copies[n]
		}
		after := newFolder()
		copies[n] = after
		left := names[n]
		if left == nil {
			left = n.durable
		}
		for _, name := range slices.Sorted(maps.Keys(left)) {
			after.names[name] = crash(left[name])
		}
		after.durable = maps.Clone(after.names)
		return after
	}
	return &Mem{root: crash(m.root)}
}

// Clone returns an independent copy: what a killed process leaves, whose unsynced
// writes and names the operating system still has, for a later crash to take.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	copies := map[*node]*node{}
	var clone func(n *node) *node
	cloneNames := func(names map[string]*node) map[string]*node {
		after := make(map[string]*node, len(names))
		for name, n := range names {
			after[name] = clone(n)
		}
		return after
	}
	clone = func(n *node) *node {
		if n == nil || copies[n] != nil {
			return copies[n]
		}
		after := &node{data: slices.Clone(n.data), synced: slices.Clone(n.synced), changes: slices.Clone(n.changes)}
		copies[n] = after
		if n.isDir() {
			after.names, after.durable = cloneNames(n.names), cloneNames(n.durable)
		}
		return after
	}
	after := &Mem{root: clone(m.root), renames: m.renames}
	for _, c := range m.pending {
		after.pending = append(after.pending, nameChange{dir: clone(c.dir), name: c.name, node: clone(c.node), group: c.group})
	}
	return after
}

func (n *node) crashCopy(random *rand.Rand) *node {
	data := append([]byte(nil), n.synced...)
	fate := random.IntN(4) // most crashes keep or lose all; some tear
	for _, c := range n.changes {
		switch {
		case fate == 0:
			continue
		case fate == 1 || c.truncate || random.IntN(2) == 0:
			data = c.apply(data)
		case random.IntN(2) == 0:
			data = c.tear(data, random)
		}
	}
	return &node{data: data, synced: append([]byte(nil), data...)}
}

// tear applies only some sectors of the write, each whole or not at all; the others
// keep what they had. The file still grows to the end of the write, as a file system
// does that writes the size before the bytes.
func (c change) tear(data []byte, random *rand.Rand) []byte {
	if end := c.pos + int64(len(c.data)); end > int64(len(data)) {
		data = resize(data, end)
	}
	for i := 0; i < len(c.data); {
		end := min(len(c.data), i+sectorBytes-int((c.pos+int64(i))%sectorBytes))
		if random.IntN(2) == 0 {
			copy(data[c.pos+int64(i):], c.data[i:end])
		}
		i = end
	}
	return data
}

func (c change) apply(data []byte) []byte {
	if c.truncate {
		return resize(data, c.pos)
	}
	if end := c.pos + int64(len(c.data)); end > int64(len(data)) {
		data = resize(data, end)
	}
	copy(data[c.pos:], c.data)
	return data
}

func resize(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size]
	}
	if size <= int64(cap(data)) {
		old := len(data)
		data = data[:size]
		clear(data[old:])
		return data
	}
	grown := make([]byte, size, size+size/2)
	copy(grown, data)
	return grown
}

func (n *node) truncate(size int64) {
	c := change{pos: size, truncate: true}
	n.data = c.apply(n.data)
	n.changes = append(n.changes, c)
}

type memFile struct {
	fs     *Mem
	node   *node
	path   string
	closed bool
}

func (f *memFile) check(op string) error {
	if f.closed {
		return pathError(op, f.path, os.ErrClosed)
	}
	return nil
}

func (f *memFile) ReadAt(p []byte, pos int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("read"); err != nil {
		return 0, err
	}
	if pos >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[pos:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, pos int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("write"); err != nil {
		return 0, err
	}
	c := change{pos: pos, data: append([]byte(nil), p...)}
	f.node.data = c.apply(f.node.data)
	f.node.changes = append(f.node.changes, c)
	return len(p), nil
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("truncate"); err != nil {
		return err
	}
	f.node.truncate(size)
	return nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("sync"); err != nil {
		return err
	}
	for _, c := range f.node.changes {
		f.node.synced = c.apply(f.node.synced)
	}
	f.node.changes = nil
	return nil
}

// loseUnsynced is what a failed Sync may do: the bytes written since the last good
// one are read as before until a crash, and no later Sync makes them durable.
func (f *memFile) loseUnsynced() {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.node.changes = nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("stat"); err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("close"); err != nil {
		return err
	}
	f.closed = true
	return nil
}

func (f *memFile) OS() *os.File { return nil }
