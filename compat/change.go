package compat

// Change is one difference between two versions of a schema, harmful or not.
type Change struct {
	Rule   string
	Path   string // in the newer schema; in the older one for what is gone
	Detail string // for people; may be empty
	// BackwardSafe: it does not keep the newer schema from reading what the
	// older one wrote. ForwardSafe: the other way round.
	BackwardSafe, ForwardSafe bool
}

// Changer is what a Schema has whose Differences leave out harmless changes.
type Changer interface {
	// Changes returns everything that changed from an older schema of the same
	// type to this one.
	Changes(older Schema) []Change
}

// Counterparter is what a Schema has whose paths mean something else in another
// schema, because they count.
type Counterparter interface {
	// Counterpart returns the path in the writer of what a path of a difference
	// leads to in this schema, the reader; where the writer has no such thing, of
	// the innermost place around it that it has.
	Counterpart(writer Schema, path string) string
}
