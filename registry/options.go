package registry

import (
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/formats"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// Options say how a Registry works. Only Journal is needed.
type Options struct {
	// Journal holds the registry's records. The registry does not close it.
	Journal journal.Journal
	// Parse turns a text into a schema; nil is formats.Parse.
	Parse func(compat.Source) (compat.Schema, error)

	// DefaultLevel holds where no level is configured; nil is BACKWARD.
	DefaultLevel *compat.Level
	// ModeImmutable refuses every change of a mode.
	ModeImmutable bool
	// ValidateFields is validateFields where it is not configured.
	ValidateFields bool
	// LenientNewSchemas makes validateNewSchemas false where it is not configured.
	LenientNewSchemas bool
	// RejectEmptySubject refuses the empty subject and "*".
	RejectEmptySubject bool
	// StrictReferenceVersions refuses a schema whose references reach one name at two versions.
	StrictReferenceVersions bool
	// DisableAssociations leaves associations out.
	DisableAssociations bool

	// SearchLimit is the largest page and the default one of schemas, referrers and
	// associations; 0 is 1000. Subjects, versions and contexts are not limited.
	SearchLimit int
	// ParsedBytes bounds the texts whose parsed form is kept; 0 is 32 MiB.
	ParsedBytes int
	// WriteTimeout bounds one append to the journal; 0 is 30 s.
	WriteTimeout time.Duration

	// KMS are the key management services that the registry may call for
	// shared KEKs, by kmsType; none without them.
	KMS map[string]KMS
	// MaxKeys bounds the KEKs, and the DEKs; 0 is 20,000.
	MaxKeys int

	Now    func() time.Time // nil is time.Now
	Logger *slog.Logger     // nil discards
}

// Validate reports everything that is wrong with o.
func (o Options) Validate() error {
	var errs []error
	if o.Journal == nil {
		errs = append(errs, errors.New("registry: Options.Journal is not set"))
	}
	if o.SearchLimit < 0 || o.ParsedBytes < 0 || o.WriteTimeout < 0 || o.MaxKeys < 0 {
		errs = append(errs, errors.New("registry: SearchLimit, ParsedBytes, WriteTimeout and MaxKeys must not be negative"))
	}
	return errors.Join(errs...)
}

func (o Options) withDefaults() Options {
	if o.Parse == nil {
		o.Parse = formats.Parse
	}
	if o.DefaultLevel == nil {
		level := compat.LevelBackward
		o.DefaultLevel = &level
	}
	if o.SearchLimit == 0 {
		o.SearchLimit = 1000
	}
	if o.ParsedBytes == 0 {
		o.ParsedBytes = 32 << 20
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.MaxKeys == 0 {
		o.MaxKeys = 20_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Page cuts a list. The zero value is the whole list as far as the default
// limit goes: a limit of 0, a negative one and one above the maximum fall back
// to the default.
type Page struct {
	Offset, Limit int
}

func cut[T any](list []T, p Page, limit int) []T {
	if p.Limit > 0 && p.Limit <= limit {
		limit = p.Limit
	}
	if p.Offset > 0 {
		if p.Offset >= len(list) {
			return list[:0]
		}
		list = list[p.Offset:]
	}
	if len(list) > limit {
		list = list[:limit]
	}
	return list
}

const unlimited = math.MaxInt32
