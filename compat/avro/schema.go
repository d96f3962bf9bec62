// Package avro reads Avro schemas and says whether one can read what another
// wrote, as Apache Avro for Java 1.12 does.
//
// It promises: a parser that takes what that library takes and nothing that
// is not JSON; the library's compact printing as canonical text; the
// specification's Parsing Canonical Form and its fingerprints; and the
// library's resolution rules with every incompatibility of a pair. It leaves
// data to serde/avro.
//
//	text ──tokens──▶ tape ──parser──▶ *Node graph ──┬─ Canonical, Normalized
//	dependencies ─────────────┘                     ├─ ParsingCanonicalForm
//	                                                └─ Differences(writer)
//
// The tape is one flat slice with an element per JSON value, in the order of
// the text, so attributes may come in any order and still cost one pass.
// Everything that a text can make large has a bound (MaxTextBytes and those
// beside it), and no state outlives a call: schemas are immutable and safe for
// concurrent use.
package avro

// Kind is the type of a Node.
type Kind uint8

// The kinds of the specification, in its order.
const (
	Null Kind = iota
	Boolean
	Int
	Long
	Float
	Double
	Bytes
	String
	Record
	Enum
	Array
	Map
	Union
	Fixed
)

// Node is one type of a parsed schema. Named types that occur again are the
// same *Node, so a recursive schema is a cyclic graph: walk it with a visited
// set. A primitive without attributes is one *Node for all its uses. Nodes are
// immutable and shared between goroutines.
type Node struct {
	Kind Kind

	// Named types (Record, Enum, Fixed).
	Name      string   // short name
	Namespace string   // empty for none
	Aliases   []string // full names
	Doc       string
	HasDoc    bool // tells an empty Doc from none

	Fields      []*Field // Record
	IsError     bool     // Record written with type "error"
	Symbols     []string // Enum
	EnumDefault *string  // Enum; nil for none
	Items       *Node    // Array items and Map values
	Branches    []*Node  // Union
	Size        int      // Fixed, bytes

	// Logical is the logical type if it is valid where it stands; the
	// specification says to ignore it otherwise. Precision and Scale belong to
	// decimal. The attributes that say so stay in Props, valid or not.
	Logical   Logical
	Precision int
	Scale     int

	// Props are the attributes that the specification does not reserve, in the
	// order of the text: free ones and those of the logical type.
	Props []Prop
}

// Field is a field of a record.
type Field struct {
	Name    string
	Aliases []string
	Doc     string
	HasDoc  bool // tells an empty Doc from none
	Type    *Node
	// Default is the compact JSON of the default value, nil for none, "null" for
	// a null default. NaN and the infinities of float and double are strings.
	// It was checked against Type only if the text was parsed strictly.
	Default []byte
	Order   string // "", "ascending", "descending" or "ignore"
	Props   []Prop
	Index   int // position in the record, from 0
}

// Prop is an attribute that the specification does not reserve.
type Prop struct {
	Key   string
	Value []byte // compact JSON
}

// Logical names a logical type.
type Logical string

// Logical types of the specification.
const (
	Decimal              Logical = "decimal"
	BigDecimal           Logical = "big-decimal"
	UUID                 Logical = "uuid"
	Date                 Logical = "date"
	TimeMillis           Logical = "time-millis"
	TimeMicros           Logical = "time-micros"
	TimestampMillis      Logical = "timestamp-millis"
	TimestampMicros      Logical = "timestamp-micros"
	TimestampNanos       Logical = "timestamp-nanos"
	LocalTimestampMillis Logical = "local-timestamp-millis"
	LocalTimestampMicros Logical = "local-timestamp-micros"
	LocalTimestampNanos  Logical = "local-timestamp-nanos"
	Duration             Logical = "duration"
)

// FullName returns the name with its namespace; for unnamed kinds the name of
// the kind.
func (n *Node) FullName() string {
	switch n.Kind {
	case Record, Enum, Fixed:
		if n.Namespace == "" {
			return n.Name
		}
		return n.Namespace + "." + n.Name
	}
	return n.Kind.String()
}

var kindNames = [...]string{
	"null", "boolean", "int", "long", "float", "double", "bytes", "string",
	"record", "enum", "array", "map", "union", "fixed",
}

func (k Kind) String() string { return kindNames[k] }
