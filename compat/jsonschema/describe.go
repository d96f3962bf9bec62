package jsonschema

import (
	"fmt"

	"github.com/dovetail-dev/dovetail/compat"
)

// Describe returns a difference in the reference server's shape, in which the
// quote that opens the description is not the one that closes it.
func (s *Schema) Describe(d compat.Incompatibility, roles compat.Roles) string {
	format, ok := breaking[d.Rule]
	if !ok {
		format, ok = lenient[d.Rule]
	}
	sentence := ""
	if ok {
		sentence = fmt.Sprintf(format, d.Path, roles.Reader, roles.Writer)
	}
	return fmt.Sprintf(`{errorType:"%s", description:"%s'}`, d.Rule, sentence)
}
