package jsonschema

// Limits on what a schema may hold, so that a small text can exhaust neither
// time nor memory, here or in whoever validates with it. The parser refuses
// what exceeds them, whether it is strict or not.
const (
	// MaxTextBytes bounds a text together with its dependencies.
	MaxTextBytes = 16 << 20
	// MaxDepth bounds the nesting of JSON objects and arrays. Schemas that
	// refer to each other by $ref do not nest.
	MaxDepth = 1000
	// MaxNumberBytes bounds a number as it is written.
	MaxNumberBytes = 1000
	// MaxExponent bounds the exponent of a number, either way.
	MaxExponent = 1000
	// MaxPatternBytes bounds a regular expression as it is written.
	MaxPatternBytes = 16 << 10
	// MaxResources bounds the sub-schemas with an identifier of their own.
	MaxResources = 10_000

	maxValues       = 1 << 20 // JSON values in all texts together
	maxNodes        = 50_000  // schemas reached from the root
	maxPatternSize  = 50_000  // instructions of a compiled pattern
	maxLibraryNodes = 20_000  // schemas that the library is given: its compiler takes quadratic time
	maxRefHops      = 1000    // $refs in a row that lead to nothing but a $ref
	maxWork         = 3 << 20 // steps of one comparison
	maxFindings     = 10_000  // differences of one comparison
	maxPath         = 2000    // elements of a reported path
)
