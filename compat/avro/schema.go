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
// set. Nodes are immutable and shared between goroutines.
type Node struct {
	Kind Kind

	// Named types (Record, Enum, Fixed).
	Name      string   // short name
	Namespace string   // empty for none
	Aliases   []string // full names
	Doc       string

	Fields      []*Field // Record
	IsError     bool     // Record written with type "error"
	Symbols     []string // Enum
	EnumDefault *string  // Enum; nil for none
	Items       *Node    // Array items and Map values
	Branches    []*Node  // Union
	Size        int      // Fixed, bytes

	// Logical is the logical type if it is valid where it stands; the
	// specification says to ignore it otherwise. Precision and Scale belong to
	// decimal.
	Logical   Logical
	Precision int
	Scale     int

	Props []Prop // all other attributes, in the order of the text
}

// Field is a field of a record.
type Field struct {
	Name    string
	Aliases []string
	Doc     string
	Type    *Node
	Default []byte // JSON of the default value; nil for none, "null" for a null default
	Order   string // "", "ascending", "descending" or "ignore"
	Props   []Prop
	Index   int // position in the record, from 0
}

// Prop is an attribute that the specification gives no meaning.
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
