package serde

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// errNoRegistry: a constructor was given none.
var errNoRegistry = errors.New("serde: the registry is nil: give a client of one, such as srclient.New returns")

// Option configures a Serializer or a Deserializer. One that has no meaning for
// the other side is ignored there, so a list can serve both.
type Option func(*config)

// Defaults.
const (
	DefaultCacheSize       = 1000
	DefaultMaxPayloadBytes = 100 << 20
	DefaultTimeout         = 30 * time.Second
	DefaultNegativeTTL     = 5 * time.Second
	DefaultRetryAfter      = 5 * time.Second
)

type source uint8

const (
	autoRegister source = iota
	lookup
	pinnedID
	pinnedGUID
	latest
	latestWithMetadata
)

type config struct {
	key       bool
	strategy  SubjectStrategy
	context   schema.Context
	source    source
	id        schema.ID
	guid      schema.GUID
	metadata  map[string]string
	normalize bool
	tags      bool
	strict    bool
	header    bool
	rules     RuleEngine

	cacheSize   int
	maxPayload  int
	timeout     time.Duration
	latestTTL   time.Duration
	negativeTTL time.Duration
	retryAfter  time.Duration

	clock  func() time.Time
	logger *slog.Logger
}

func newConfig(opts []Option) (config, error) {
	c := config{
		strategy:    TopicName,
		strict:      true,
		cacheSize:   DefaultCacheSize,
		maxPayload:  DefaultMaxPayloadBytes,
		timeout:     DefaultTimeout,
		negativeTTL: DefaultNegativeTTL,
		retryAfter:  DefaultRetryAfter,
		clock:       time.Now,
		logger:      slog.New(slog.DiscardHandler),
	}
	var faults []error
	for i, o := range opts {
		if o == nil {
			faults = append(faults, fmt.Errorf("serde: option %d is nil", i+1))
			continue
		}
		o(&c)
	}
	return c, errors.Join(append(faults, c.validate())...)
}

func (c *config) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("serde: "+format, args...)) }
	if c.strategy == nil {
		fault("the subject-name strategy is nil")
	}
	if c.source == pinnedID && c.id <= 0 {
		fault("schema ID %d is not positive", c.id)
	}
	if c.source == pinnedGUID && c.guid == (schema.GUID{}) {
		fault("the schema GUID is empty")
	}
	if c.source == latestWithMetadata && len(c.metadata) == 0 {
		fault("latest with metadata needs at least one property")
	}
	if c.cacheSize < 1 {
		fault("cache size %d, want at least 1", c.cacheSize)
	}
	if c.maxPayload < 1 {
		fault("maximum payload of %d bytes, want at least 1", c.maxPayload)
	}
	if c.timeout <= 0 {
		fault("timeout %v, want more than 0", c.timeout)
	}
	if c.latestTTL < 0 || c.negativeTTL < 0 || c.retryAfter < 0 {
		fault("a negative duration")
	}
	if c.clock == nil || c.logger == nil {
		fault("the clock or logger is nil")
	}
	return errors.Join(faults...)
}

// ForKey serves record keys. The default is values.
func ForKey() Option { return func(c *config) { c.key = true } }

// WithSubjectStrategy chooses how the subject is derived: TopicName (the
// default), RecordName, TopicRecordName, Associated or a function of your own.
func WithSubjectStrategy(s SubjectStrategy) Option { return func(c *config) { c.strategy = s } }

// WithContext places subjects that name no context themselves into this one.
func WithContext(name schema.Context) Option { return func(c *config) { c.context = name } }

// WithAutoRegister registers the local schema on first use. It is the default.
// Of the options WithAutoRegister, WithLookup, WithSchemaID, WithSchemaGUID,
// WithLatest and WithLatestMetadata the last one given counts.
func WithAutoRegister() Option { return func(c *config) { c.source = autoRegister } }

// WithLookup writes with the local schema, which must be registered already.
func WithLookup() Option { return func(c *config) { c.source = lookup } }

// WithSchemaID writes with the schema of this ID.
func WithSchemaID(id schema.ID) Option {
	return func(c *config) { c.source, c.id = pinnedID, id }
}

// WithSchemaGUID writes with the schema of this GUID. With prefix framing the
// registry's answer must name an ID, which that of a GUID request does not
// everywhere; header framing always works.
func WithSchemaGUID(guid schema.GUID) Option {
	return func(c *config) { c.source, c.guid = pinnedGUID, guid }
}

// WithLatest writes with the newest version of the subject. On a deserializer it
// names the version that migration rules lead to.
func WithLatest() Option { return func(c *config) { c.source = latest } }

// WithLatestMetadata writes with the newest version of the subject whose
// metadata has all these properties. On a deserializer it names the version that
// migration rules lead to.
func WithLatestMetadata(properties map[string]string) Option {
	properties = maps.Clone(properties)
	return func(c *config) { c.source, c.metadata = latestWithMetadata, properties }
}

// WithNormalize registers and looks up the normal form of the local schema.
func WithNormalize() Option { return func(c *config) { c.normalize = true } }

// WithPropagateTags lets a registration carry inline tags over from the version
// before.
func WithPropagateTags() Option { return func(c *config) { c.tags = true } }

// WithStrict says whether a schema from the registry (WithSchemaID,
// WithSchemaGUID, WithLatest, WithLatestMetadata) must be compatible with the
// local one before anything is written with it. The default is true; values that
// have no local schema are not checked.
func WithStrict(strict bool) Option { return func(c *config) { c.strict = strict } }

// WithHeaderFraming puts the schema's GUID into a record header and leaves the
// payload bare. Use Serializer.AppendRecord with it. Deserializers read both
// framings without being told.
func WithHeaderFraming() Option { return func(c *config) { c.header = true } }

// WithRules runs the rule sets of schemas. Without an engine they are ignored.
func WithRules(engine RuleEngine) Option { return func(c *config) { c.rules = engine } }

// WithCacheSize bounds each cache (topic and schema pairs, schema IDs, failed
// answers) to n. The default is DefaultCacheSize. A full cache drops any one of
// its members for a new one.
func WithCacheSize(n int) Option { return func(c *config) { c.cacheSize = n } }

// WithMaxPayloadBytes bounds framed values in both directions. The default is
// DefaultMaxPayloadBytes.
func WithMaxPayloadBytes(n int) Option { return func(c *config) { c.maxPayload = n } }

// WithTimeout bounds what one record may wait for the registry, on top of its
// context. The default is DefaultTimeout.
func WithTimeout(d time.Duration) Option { return func(c *config) { c.timeout = d } }

// WithLatestTTL lets answers of WithLatest and WithLatestMetadata age: after d
// one caller asks again while the others go on with the old answer. The default,
// 0, keeps them for ever.
func WithLatestTTL(d time.Duration) Option { return func(c *config) { c.latestTTL = d } }

// WithNegativeTTL says how long an answer that settles the matter (unknown,
// rejected) is returned without asking again. The default is DefaultNegativeTTL;
// 0 asks every time.
func WithNegativeTTL(d time.Duration) Option { return func(c *config) { c.negativeTTL = d } }

// WithRetryAfter says how long an aged answer is used on, once the registry
// turned out to be unavailable, before it is asked again. The default is
// DefaultRetryAfter.
func WithRetryAfter(d time.Duration) Option { return func(c *config) { c.retryAfter = d } }

// WithClock replaces time.Now.
func WithClock(now func() time.Time) Option { return func(c *config) { c.clock = now } }

// WithLogger tells logger when an aged answer has to be used on. The default
// is silence.
func WithLogger(logger *slog.Logger) Option { return func(c *config) { c.logger = logger } }
