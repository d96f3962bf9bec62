package topics

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

// Options configures a Store. The zero value works.
type Options struct {
	// FS is the file system. Nil means the operating system's.
	FS vfs.FS
	// MaxPartitions is the most partitions of all topics; zero means 20,000.
	MaxPartitions int
	// RewriteBytes is how much history the journal may hold beyond four times
	// what is alive before it is written anew. Zero means 1 MiB.
	RewriteBytes int64
	// Now names files that are set aside. Nil means time.Now.
	Now func() time.Time
	// Logger is told about torn journals. Nil means nobody is.
	Logger *slog.Logger
}

// Store is the set of topics and other facts. All methods may be called
// concurrently.
type Store struct {
	opts  Options
	state atomic.Pointer[state]

	changes atomic.Int64

	mu      sync.Mutex // held by whoever decides and writes
	journal *journal
}

// state is immutable.
type state struct {
	byName     map[string]*Topic
	byID       map[ID]*Topic
	names      []string // sorted
	collisions map[string]string
	partitions int
	facts      map[string]map[string]json.RawMessage // kind → key → value
	liveBytes  int64
}

const (
	topicKind   = "topic"
	deletedKind = "deleted-topic"
)

// Open reads what dir holds. There must be one Store per directory.
func Open(dir string, opts Options) (*Store, error) {
	if opts.FS == nil {
		opts.FS = vfs.OS
	}
	if opts.MaxPartitions == 0 {
		opts.MaxPartitions = 20_000
	}
	if opts.RewriteBytes == 0 {
		opts.RewriteBytes = 1 << 20
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{opts: opts}
	facts := map[string]map[string]json.RawMessage{}
	j, torn, err := openJournal(opts.FS, dir, opts.Now(), func(changes []change) error { return applyAll(facts, changes) })
	if err != nil {
		return nil, err
	}
	if torn > 0 {
		opts.Logger.Warn("the end of the metadata log is no whole entry: set aside and cut off; a crash leaves a change like this that was not acknowledged, but if there was none, the last change may be lost", "dir", dir, "bytes", torn)
	}
	st, err := newState(facts)
	if err != nil {
		_ = j.close()
		return nil, err
	}
	s.journal = j
	s.state.Store(st)
	return s, nil
}

// Close closes the journal. Everything acknowledged is on the disk already.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.failed = errors.New("metadata log: closed")
	return s.journal.close()
}

// Changes is how often the store was changed since it was opened.
func (s *Store) Changes() int64 { return s.changes.Load() }

// Topic returns the topic of that name.
func (s *Store) Topic(name string) (*Topic, bool) {
	t, ok := s.state.Load().byName[name]
	return t, ok
}

// ByID returns the topic with that ID.
func (s *Store) ByID(id ID) (*Topic, bool) {
	t, ok := s.state.Load().byID[id]
	return t, ok
}

// All returns all topics by name.
func (s *Store) All() []*Topic {
	st := s.state.Load()
	all := make([]*Topic, len(st.names))
	for i, name := range st.names {
		all[i] = st.byName[name]
	}
	return all
}

// CheckCreate says what is wrong with a topic to be created, if anything. With
// a nil error Create would do it.
func (s *Store) CheckCreate(t Topic) error {
	return checkCreate(s.state.Load(), t, s.opts.MaxPartitions)
}

func checkCreate(st *state, t Topic, maxPartitions int) error {
	if err := CheckName(t.Name); err != nil {
		return err
	}
	if _, ok := st.byName[t.Name]; ok {
		return &Error{AlreadyExists, fmt.Sprintf("topic %q already exists", t.Name)}
	}
	if other, ok := st.collisions[collisionKey(t.Name)]; ok {
		return &Error{InvalidName, fmt.Sprintf("topic %q collides with topic %q: '.' and '_' are the same in metric names", t.Name, other)}
	}
	if t.Partitions < 1 {
		return &Error{InvalidPartitions, fmt.Sprintf("topic %q with %d partitions: at least 1 is needed", t.Name, t.Partitions)}
	}
	if t.ReplicationFactor < 1 {
		return &Error{InvalidReplicationFactor, fmt.Sprintf("topic %q with replication factor %d: it must be at least 1, or -1 for the default", t.Name, t.ReplicationFactor)}
	}
	if st.partitions+int(t.Partitions) > maxPartitions {
		return &Error{TooManyPartitions, fmt.Sprintf("%d more partitions: there are %d, and at most %d are allowed", t.Partitions, st.partitions, maxPartitions)}
	}
	return CheckConfigs(t.Configs)
}

// Create creates a topic, with a new ID if it has none, and returns it once it
// is on the disk.
func (s *Store) Create(t Topic) (*Topic, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := checkCreate(s.state.Load(), t, s.opts.MaxPartitions); err != nil {
		return nil, err
	}
	if t.ID == (ID{}) {
		t.ID = NewID()
	}
	t.Configs = maps.Clone(t.Configs)
	return s.putTopic(t)
}

// Delete deletes a topic and returns what it was. Its data is the caller's to
// remove; until it says so with Forget, Deleted returns the topic, across
// restarts.
func (s *Store) Delete(name string) (*Topic, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state.Load()
	t, err := s.existing(name)
	if err != nil {
		return nil, err
	}
	return t, s.write([]change{
		{Kind: topicKind, Key: name},
		{deletedKind, t.ID.String(), st.facts[topicKind][name]},
	})
}

// Deleted returns the topics that were deleted and not forgotten.
func (s *Store) Deleted() ([]*Topic, error) {
	var all []*Topic
	for _, f := range s.Facts(deletedKind) {
		t := new(Topic)
		if err := json.Unmarshal(f.Value, t); err != nil {
			return nil, fmt.Errorf("deleted topic %s: %w", f.Key, err)
		}
		all = append(all, t)
	}
	return all, nil
}

// Forget says that nothing of a deleted topic is left.
func (s *Store) Forget(id ID) error {
	return s.SetFacts(deletedKind, []Fact{{Key: id.String()}})
}

// SetPartitions gives a topic more partitions.
func (s *Store) SetPartitions(name string, count int32) (*Topic, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkSetPartitions(name, count); err != nil {
		return nil, err
	}
	t := *s.state.Load().byName[name]
	t.Partitions = count
	return s.putTopic(t)
}

// CheckSetPartitions says what is wrong with giving a topic count partitions.
func (s *Store) CheckSetPartitions(name string, count int32) error {
	return s.checkSetPartitions(name, count)
}

func (s *Store) checkSetPartitions(name string, count int32) error {
	t, err := s.existing(name)
	if err != nil {
		return err
	}
	if count <= t.Partitions {
		return &Error{InvalidPartitions, fmt.Sprintf("topic %q has %d partitions; a number above that is needed, got %d", name, t.Partitions, count)}
	}
	if total := s.state.Load().partitions; total+int(count-t.Partitions) > s.opts.MaxPartitions {
		return &Error{TooManyPartitions, fmt.Sprintf("%d more partitions: there are %d, and at most %d are allowed", count-t.Partitions, total, s.opts.MaxPartitions)}
	}
	return nil
}

// SetConfigs replaces a topic's own configurations by what change makes of a
// copy of them. An error of change, or a wrong configuration, changes nothing.
// With dryRun nothing is changed either.
func (s *Store) SetConfigs(name string, dryRun bool, change func(configs map[string]string) error) (*Topic, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.existing(name)
	if err != nil {
		return nil, err
	}
	t := *old
	t.Configs = maps.Clone(t.Configs)
	if t.Configs == nil {
		t.Configs = map[string]string{}
	}
	if err := change(t.Configs); err != nil {
		return nil, err
	}
	if err := CheckConfigs(t.Configs); err != nil {
		return nil, err
	}
	if dryRun {
		return &t, nil
	}
	return s.putTopic(t)
}

// Fact is a small thing to keep besides topics: an access control list, a user,
// a quota. Value is JSON; nil means that the fact is gone.
type Fact struct {
	Key   string
	Value json.RawMessage
}

// Facts returns all facts of a kind by key.
func (s *Store) Facts(kind string) []Fact {
	facts := s.state.Load().facts[kind]
	all := make([]Fact, 0, len(facts))
	for _, key := range slices.Sorted(maps.Keys(facts)) {
		all = append(all, Fact{key, facts[key]})
	}
	return all
}

// Fact returns one fact's value, nil if it is not there.
func (s *Store) Fact(kind, key string) json.RawMessage { return s.state.Load().facts[kind][key] }

// SetFacts changes facts of one kind, all of them or none, and returns once
// they are on the disk.
func (s *Store) SetFacts(kind string, facts []Fact) error {
	if kind == topicKind {
		return errors.New("topics: topics are not set as facts")
	}
	changes := make([]change, len(facts))
	for i, f := range facts {
		changes[i] = change{kind, f.Key, f.Value}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(changes)
}

func (s *Store) existing(name string) (*Topic, error) {
	t, ok := s.state.Load().byName[name]
	if !ok {
		return nil, &Error{Unknown, fmt.Sprintf("there is no topic %q", name)}
	}
	return t, nil
}

func (s *Store) putTopic(t Topic) (*Topic, error) {
	value, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	if err := s.write([]change{{topicKind, t.Name, value}}); err != nil {
		return nil, err
	}
	return s.state.Load().byName[t.Name], nil
}

// write puts changes on the disk and then before everybody's eyes.
func (s *Store) write(changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	next, err := s.state.Load().with(changes)
	if err != nil {
		return err
	}
	if err := s.journal.append(changes); err != nil {
		return err
	}
	s.state.Store(next)
	s.changes.Add(1)
	if s.journal.bytes > 4*next.liveBytes+s.opts.RewriteBytes {
		// The change is done; that history could not be dropped is no failure of it.
		if err := s.journal.rewrite(next.changes()); err != nil {
			s.opts.Logger.Error("the metadata log could not be written anew", "err", err)
		}
	}
	return nil
}

func applyAll(facts map[string]map[string]json.RawMessage, changes []change) error {
	for _, c := range changes {
		if c.Kind == "" {
			return errors.New("change without a kind")
		}
		of := facts[c.Kind]
		if of == nil {
			of = map[string]json.RawMessage{}
			facts[c.Kind] = of
		}
		if c.Value == nil {
			delete(of, c.Key)
			continue
		}
		if c.Kind == topicKind {
			if _, err := parseTopic(c); err != nil {
				return err
			}
		}
		of[c.Key] = c.Value
	}
	return nil
}

func parseTopic(c change) (*Topic, error) {
	t := new(Topic)
	if err := json.Unmarshal(c.Value, t); err != nil {
		return nil, fmt.Errorf("topic %q: %w", c.Key, err)
	}
	if err := CheckName(t.Name); err != nil {
		return nil, err
	}
	if t.Name != c.Key || t.Partitions < 1 || t.ID == (ID{}) {
		return nil, fmt.Errorf("topic %q is not whole", c.Key)
	}
	return t, nil
}

// newState indexes facts, which it keeps.
func newState(facts map[string]map[string]json.RawMessage) (*state, error) {
	st := &state{
		facts:      facts,
		byName:     make(map[string]*Topic, len(facts[topicKind])),
		byID:       make(map[ID]*Topic, len(facts[topicKind])),
		collisions: make(map[string]string, len(facts[topicKind])),
	}
	for kind, of := range facts {
		for key, value := range of {
			if err := st.index(change{kind, key, value}, nil); err != nil {
				return nil, err
			}
		}
	}
	st.names = slices.Sorted(maps.Keys(st.byName))
	return st, nil
}

// with is the state after changes.
func (st *state) with(changes []change) (*state, error) {
	next := &state{facts: maps.Clone(st.facts), partitions: st.partitions, liveBytes: st.liveBytes}
	next.byName, next.byID, next.collisions = maps.Clone(st.byName), maps.Clone(st.byID), maps.Clone(st.collisions)
	for _, c := range changes {
		next.facts[c.Kind] = maps.Clone(st.facts[c.Kind])
	}
	for _, c := range changes {
		old := next.facts[c.Kind][c.Key]
		if err := applyAll(next.facts, []change{c}); err != nil {
			return nil, err
		}
		if err := next.index(c, old); err != nil {
			return nil, err
		}
	}
	next.names = slices.Sorted(maps.Keys(next.byName))
	return next, nil
}

// index takes a change in, which replaces old.
func (st *state) index(c change, old json.RawMessage) error {
	size := func(value json.RawMessage) int64 {
		if value == nil {
			return 0
		}
		return int64(len(c.Kind) + len(c.Key) + len(value) + 40)
	}
	st.liveBytes += size(c.Value) - size(old)
	if c.Kind != topicKind {
		return nil
	}
	if t := st.byName[c.Key]; t != nil {
		delete(st.byName, t.Name)
		delete(st.byID, t.ID)
		delete(st.collisions, collisionKey(t.Name))
		st.partitions -= int(t.Partitions)
	}
	if c.Value == nil {
		return nil
	}
	t, err := parseTopic(c)
	if err != nil {
		return err
	}
	st.byName[t.Name], st.byID[t.ID] = t, t
	st.collisions[collisionKey(t.Name)] = t.Name
	st.partitions += int(t.Partitions)
	return nil
}

// changes are what a journal must hold to lead to st.
func (st *state) changes() []change {
	var all []change
	for _, kind := range slices.Sorted(maps.Keys(st.facts)) {
		for _, key := range slices.Sorted(maps.Keys(st.facts[kind])) {
			all = append(all, change{kind, key, st.facts[kind][key]})
		}
	}
	return all
}

// IsInternalName says whether a topic of that name is the broker's own.
func IsInternalName(name string) bool {
	return name == "__consumer_offsets" || name == "__transaction_state" || name == "__share_group_state" || strings.HasPrefix(name, "__dovetail_")
}
