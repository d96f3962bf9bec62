package vfs

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"sync"
)

// sectorBytes is the unit in which a crash tears a write.
const sectorBytes = 512

// Mem is a file system in memory that remembers what is durable.
type Mem struct {
	mu      sync.Mutex
	names   map[string]*node // every path, folders included
	durable map[string]*node // the names a crash leaves
	pending []nameChange     // since the last SyncDir of their folders
	renames int              // so far
}

// nameChange sets a name, or removes it if node is nil. A rename is two changes
// with one group, which a crash keeps or loses together.
type nameChange struct {
	dir, path string
	node      *node
	group     int
}

// node is a file or a folder.
type node struct {
	isDir   bool
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

// NewMem returns an empty file system with a root folder.
func NewMem() *Mem {
	root := &node{isDir: true}
	at := map[string]*node{".": root, "/": root}
	kept := map[string]*node{".": root, "/": root}
	return &Mem{names: at, durable: kept}
}

func pathError(op, path string, err error) error { return &fs.PathError{Op: op, Path: path, Err: err} }

func (m *Mem) set(path string, n *node, group int) {
	if n == nil {
		delete(m.names, path)
	} else {
		m.names[path] = n
	}
	m.pending = append(m.pending, nameChange{dir: filepath.Dir(path), path: path, node: n, group: group})
}

// Create implements [FS].
func (m *Mem) Create(path string) (File, error) {
	path = filepath.Clean(path)
	m.mu.Lock()
	defer m.mu.Unlock()
	if dir := m.names[filepath.Dir(path)]; dir == nil || !dir.isDir {
		return nil, pathError("create", path, fs.ErrNotExist)
	}
	n := m.names[path]
	switch {
	case n == nil:
		n = &node{}
		m.set(path, n, 0)
	case n.isDir:
		return nil, pathError("create", path, fs.ErrExist)
	default:
		n.truncate(0)
	}
	return &memFile{fs: m, node: n, path: path}, nil
}

// OpenFile implements [FS].
func (m *Mem) OpenFile(path string) (File, error) {
	path = filepath.Clean(path)
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[path]
	if n == nil || n.isDir {
		return nil, pathError("open", path, fs.ErrNotExist)
	}
	return &memFile{fs: m, node: n, path: path}, nil
}

// Rename implements [FS].
func (m *Mem) Rename(from, to string) error {
	from, to = filepath.Clean(from), filepath.Clean(to)
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[from]
	if n == nil || n.isDir {
		return pathError("rename", from, fs.ErrNotExist)
	}
	if old := m.names[to]; old != nil && old.isDir {
		return pathError("rename", to, fs.ErrExist)
	}
	m.renames++
	m.set(to, n, m.renames)
	m.set(from, nil, m.renames)
	return nil
}

// Remove implements [FS].
func (m *Mem) Remove(path string) error {
	path = filepath.Clean(path)
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[path]
	if n == nil {
		return pathError("remove", path, fs.ErrNotExist)
	}
	if n.isDir {
		for other := range m.names {
			if other != path && filepath.Dir(other) == path {
				return pathError("remove", path, fs.ErrExist)
			}
		}
	}
	m.set(path, nil, 0)
	return nil
}

// MkdirAll implements [FS].
func (m *Mem) MkdirAll(path string) error {
	path = filepath.Clean(path)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mkdirAll(path)
}

func (m *Mem) mkdirAll(path string) error {
	if n := m.names[path]; n != nil {
		if !n.isDir {
			return pathError("mkdir", path, fs.ErrExist)
		}
		return nil
	}
	if err := m.mkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	m.set(path, &node{isDir: true}, 0)
	return nil
}

// List implements [FS].
func (m *Mem) List(path string) ([]string, error) {
	path = filepath.Clean(path)
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.names[path]; n == nil || !n.isDir {
		return nil, pathError("list", path, fs.ErrNotExist)
	}
	var names []string
	for other := range m.names {
		if other != path && filepath.Dir(other) == path {
			names = append(names, filepath.Base(other))
		}
	}
	sort.Strings(names)
	return names, nil
}

// Stat implements [FS].
func (m *Mem) Stat(path string) (Info, error) {
	path = filepath.Clean(path)
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.names[path]
	if n == nil {
		return Info{}, pathError("stat", path, fs.ErrNotExist)
	}
	return Info{SizeBytes: int64(len(n.data)), IsDir: n.isDir}, nil
}

// SyncDir implements [FS].
func (m *Mem) SyncDir(path string) error {
	path = filepath.Clean(path)
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.names[path]; n == nil || !n.isDir {
		return pathError("syncdir", path, fs.ErrNotExist)
	}
	rest := m.pending[:0]
	for _, c := range m.pending {
		if c.dir == path {
			c.apply(m.durable)
		} else {
			rest = append(rest, c)
		}
	}
	m.pending = rest
	return nil
}

func (c nameChange) apply(names map[string]*node) {
	if c.node == nil {
		delete(names, c.path)
	} else {
		names[c.path] = c.node
	}
}

// CrashCopy returns what a power cut at this moment may leave. What was synced is
// there; of the unsynced name changes of each folder a random number of the
// first survives; of the unsynced writes each survives, is lost or is torn at a
// sector, in any combination. The seed decides.
func (m *Mem) CrashCopy(seed uint64) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	random := rand.New(rand.NewPCG(seed, 0x5eed))
	after := &Mem{names: map[string]*node{}, durable: map[string]*node{}}
	names := make(map[string]*node, len(m.durable))
	for path, n := range m.durable {
		names[path] = n
	}
	lost := map[string]bool{}
	group := 0
	for _, c := range m.pending {
		if !(c.group != 0 && c.group == group) && !lost[c.dir] && random.IntN(3) == 0 {
			lost[c.dir] = true
		}
		group = c.group
		if !lost[c.dir] {
			c.apply(names)
		}
	}
	// A file that is reachable by two names, in the middle of a rename, is one.
	copies := map[*node]*node{}
	paths := make([]string, 0, len(names))
	for path := range names {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	for _, path := range paths {
		n := names[path]
		if path != "." && path != "/" && names[filepath.Dir(path)] == nil {
			continue // its folder is gone
		}
		if copies[n] == nil {
			copies[n] = n.crashCopy(random)
		}
		after.names[path], after.durable[path] = copies[n], copies[n]
	}
	return after
}

// Clone returns an independent copy as if everything was synced: what a killed
// process leaves, whose writes the operating system still has.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := &Mem{names: map[string]*node{}, durable: map[string]*node{}}
	for path, n := range m.names {
		data := append([]byte(nil), n.data...)
		c := &node{isDir: n.isDir, data: data, synced: append([]byte(nil), data...)}
		after.names[path], after.durable[path] = c, c
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
	return &node{isDir: n.isDir, data: data, synced: append([]byte(nil), data...)}
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
