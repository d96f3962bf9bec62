package registry

import (
	"context"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// Mode says what may be written.
type Mode string

// Modes.
const (
	ReadWrite        Mode = "READWRITE"
	ReadOnly         Mode = "READONLY"
	ReadOnlyOverride Mode = "READONLY_OVERRIDE" // treated as ReadOnly
	Import           Mode = "IMPORT"            // IDs and versions come with the request
	ModeForward      Mode = "FORWARD"           // as Import; on the global context only
)

func parseMode(s string) (Mode, bool) {
	for _, m := range [...]Mode{ReadWrite, ReadOnly, ReadOnlyOverride, Import, ModeForward} {
		if strings.EqualFold(s, string(m)) {
			return m, true
		}
	}
	return "", false
}

func (m Mode) readOnly() bool  { return m == ReadOnly || m == ReadOnlyOverride }
func (m Mode) importing() bool { return m == Import || m == ModeForward }

// chain yields the names under which a setting of name may stand, nearest
// first: the subject, its context (the top level for the default one), the
// context above all.
func chain(name schema.Subject) [3]schema.Subject {
	c, _ := name.Split()
	return [3]schema.Subject{name, schema.Qualify(c, ""), globalSetting}
}

var globalSetting = schema.Qualify(schema.GlobalContext, "")

// modeOf returns the mode in force.
func (s *state) modeOf(name schema.Subject) Mode {
	for _, at := range chain(name) {
		if m, ok := s.modes.get(at); ok {
			return m
		}
	}
	return ReadWrite
}

// Mode returns the mode of a subject, a context (":.ctx:") or the top level
// (""). A subject without a mode of its own is an error unless inForce is set;
// the top level always has one.
func (r *Registry) Mode(name schema.Subject, inForce bool) (Mode, error) {
	st, err := r.read()
	if err != nil {
		return "", err
	}
	name = name.Canonical()
	if name == "" || inForce {
		return st.modeOf(name), nil
	}
	if m, ok := st.modes.get(name); ok {
		return m, nil
	}
	return "", errModeNotFound(name)
}

// SetMode sets the mode of a subject, a context or the top level; an empty
// mode clears it. Entering IMPORT needs a scope without live subjects, unless
// force is set.
func (r *Registry) SetMode(ctx context.Context, name schema.Subject, mode string, force bool) error {
	name = name.Canonical()
	if err := r.checkSettingName(name); err != nil {
		return err
	}
	m, ok := parseMode(mode)
	if mode != "" && (!ok || m == ModeForward && name != globalSetting) {
		return errInvalidMode()
	}
	if r.opts.ModeImmutable {
		return errNotPermitted("Mode changes are not allowed")
	}
	return r.write(ctx, "setting the mode", func(st *state) ([]journal.Record, error) {
		if mode == "" {
			return []journal.Record{modeRecord(name, "")}, nil
		}
		var records []journal.Record
		own, _ := st.modes.get(name)
		if m == Import && own != Import && !force {
			var err error
			if records, err = r.enterImport(st, name); err != nil {
				return nil, err
			}
		}
		return append(records, modeRecord(name, m)), nil
	})
}

// enterImport empties the scope of soft-deleted versions.
func (r *Registry) enterImport(st *state, name schema.Subject) ([]journal.Record, error) {
	var gone []use
	for sub := range st.scope(name) {
		if sub.live() {
			return nil, errNotPermitted("Cannot import since found existing subjects")
		}
		for _, v := range sub.versions {
			gone = append(gone, use{sub.name, v.number})
		}
	}
	dead := map[use]bool{}
	for _, at := range gone {
		dead[at] = true
	}
	for _, at := range gone {
		for _, by := range st.refereesOf(at) {
			if !dead[by] {
				return nil, errReferenceExists(at.subject, at.version)
			}
		}
	}
	records := st.tombstones(gone)
	key := journal.Key{Type: journal.ClearSubjectKey, Subject: name}
	return append(records, journal.Record{
		Key:   journal.AppendKey(nil, key),
		Value: journal.AppendClearSubject(nil, journal.ClearSubjectValue{Subject: name}),
	}), nil
}

// DeleteMode removes a mode and returns it, empty if there was none and
// recursive allowed that. recursive clears the modes of all subjects in the
// context as well.
func (r *Registry) DeleteMode(ctx context.Context, name schema.Subject, recursive bool) (Mode, error) {
	name = name.Canonical()
	if err := r.checkSettingName(name); err != nil {
		return "", err
	}
	if r.opts.ModeImmutable {
		return "", errNotPermitted("Mode changes are not allowed")
	}
	var old Mode
	err := r.write(ctx, "deleting the mode", func(st *state) ([]journal.Record, error) {
		own, ok := st.modes.get(name)
		if old = own; !ok && !recursive {
			return nil, errSubjectNotFound(name)
		}
		var records []journal.Record
		if ok {
			records = append(records, modeRecord(name, ""))
		}
		if c, n := name.Split(); recursive && n == "" {
			for at := range st.modes.all() {
				if at != name && at.Context() == c && at.Name() != "" {
					records = append(records, modeRecord(at, ""))
				}
			}
		}
		return records, nil
	})
	return old, err
}

// modeRecord sets a mode, or removes it if m is empty.
func modeRecord(name schema.Subject, m Mode) journal.Record {
	rec := journal.Record{Key: journal.AppendKey(nil, journal.Key{Type: journal.ModeKey, Subject: name})}
	if m != "" {
		rec.Value = journal.AppendMode(nil, journal.ModeValue{Subject: name, Mode: string(m)})
	}
	return rec
}
