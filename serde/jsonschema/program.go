package jsonschema

import (
	"regexp"

	"github.com/dovetail-dev/dovetail/compat/jsonschema"
)

// program is one compiled schema. A nil program takes everything.
type program struct {
	never    bool
	types    typeSet
	enum     *valueSet
	constant *valueSet
	strings  *stringRules
	numbers  *numberRules
	array    *arrayRules
	object   *objectRules
	more     *combination
	bare     bool // there is nothing but more
}

// typeSet is a set of JSON types.
type typeSet uint8

const (
	typeNull typeSet = 1 << iota
	typeBoolean
	typeInteger // a number that is whole
	typeNumber
	typeString
	typeArray
	typeObject

	anyType = 1<<iota - 1
)

var typeNames = [...]struct {
	name string
	set  typeSet
}{
	{"null", typeNull}, {"boolean", typeBoolean}, {"integer", typeInteger}, {"number", typeNumber | typeInteger},
	{"string", typeString}, {"array", typeArray}, {"object", typeObject},
}

// combination are the sub-schemas that look at the same value.
type combination struct {
	all       []*program
	any       []*program
	one       []*program
	hasAny    bool
	hasOne    bool
	not       *program
	hasNot    bool
	condition *program
	hasIf     bool
	then      *program
	otherwise *program
}

// valueSet is what enum or const allow.
type valueSet struct {
	simple  typeSet // null and, with both, boolean
	yes, no bool
	strings map[string]struct{}
	numbers []number
	others  []*jsonschema.Value // arrays and objects
}

type stringRules struct {
	min, max int // in characters; max < 0 for none
	pattern  *regexp.Regexp
	source   string
}

type numberRules struct {
	limits     []limit
	multipleOf *number
}

// limit is one end of a range.
type limit struct {
	bound     number
	upper     bool
	exclusive bool
}

type arrayRules struct {
	tuple      []*program
	rest       *program // of items beyond the tuple
	min, max   int      // max < 0 for none
	unique     bool
	contains   *program
	hasContain bool
	minContain int
	maxContain int // < 0 for none
}

type objectRules struct {
	names    []nameRule
	index    map[string]int // of names, if they are many
	required []uint64       // bits that must be seen
	patterns []patternRule
	// extra is the program of members that neither a name nor a pattern covers.
	extra     *program
	min, max  int // max < 0 for none
	nameRules *program
	hasNames  bool
	needs     []needRule
}

// nameRule is a member that the schema mentions.
type nameRule struct {
	name     string
	property bool // it is among the properties
	program  *program
	bit      int // in the set of seen members; < 0 if nobody asks
}

type patternRule struct {
	match   *regexp.Regexp
	program *program
}

// needRule is what the presence of a member asks for.
type needRule struct {
	name    string
	bit     int
	names   []int // bits
	program *program
}

func bitSet(bits []uint64, bit int) bool { return bits[bit/64]&(1<<(bit%64)) != 0 }
