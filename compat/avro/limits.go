package avro

// Limits on what a schema may hold, so that a small text can neither exhaust
// memory here nor in whoever encodes and decodes with it. The parser refuses
// what exceeds them, whether it is strict or not.
const (
	// MaxTextBytes bounds a text together with its dependencies.
	MaxTextBytes = 16 << 20
	// MaxDepth bounds the nesting of JSON objects and arrays. Types that refer
	// to each other by name do not nest.
	MaxDepth = 1000
	// MaxTypes bounds types and fields together.
	MaxTypes = 100_000
	// MaxNameBytes bounds names, with their namespace.
	MaxNameBytes = 4096
	// MaxFixedBytes bounds the size of a fixed; the bound is Java's.
	MaxFixedBytes = 1<<31 - 9
	// MaxDecimalPrecision bounds the digits of a decimal; scale is at most
	// precision. Beyond it, and unless the text is parsed strictly, the logical
	// type is ignored like any other that is invalid.
	MaxDecimalPrecision = 10_000

	maxTokens      = 1 << 20
	maxNumberBytes = 4096
	maxDefaultSize = 1 << 20 // values in one default value after defaults inside it are filled in
)
