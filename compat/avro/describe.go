package avro

import (
	"fmt"

	"github.com/dovetail-dev/dovetail/compat"
)

// Describe returns the reference server's wording of a difference.
func (s *Schema) Describe(d compat.Incompatibility, roles compat.Roles) string {
	return fmt.Sprintf("{errorType:'%s', description:'%s', additionalInfo:'%s'}", d.Rule, description(d, roles), d.Detail)
}

func description(d compat.Incompatibility, roles compat.Roles) string {
	switch d.Rule {
	case RuleFixedSize:
		return fmt.Sprintf("The size of FIXED type field at path '%s' in the %s schema does not match with the %s schema",
			d.Path, roles.Reader, roles.Writer)
	case RuleType:
		return fmt.Sprintf("The type (path '%s') of a field in the %s schema does not match with the %s schema",
			d.Path, roles.Reader, roles.Writer)
	case RuleName:
		return fmt.Sprintf("The name of the schema has changed (path '%s')", d.Path)
	case RuleEnumSymbols:
		return fmt.Sprintf("The %s schema is missing enum symbols '%s' at path '%s' in the %s schema",
			roles.Reader, d.Detail, d.Path, roles.Writer)
	case RuleUnionBranch:
		return fmt.Sprintf("The %s schema is missing a type inside a union field at path '%s' in the %s schema",
			roles.Reader, d.Path, roles.Writer)
	case RuleFieldDefault:
		return fmt.Sprintf("The field '%s' at path '%s' in the %s schema has no default value and is missing in the %s schema",
			d.Detail, d.Path, roles.Reader, roles.Writer)
	case RuleFieldAmbiguous:
		return fmt.Sprintf("The field at path '%s' in the %s schema fits more than one field of the %s schema by its name and aliases",
			d.Path, roles.Reader, roles.Writer)
	case RuleTooLarge:
		return fmt.Sprintf("The %s schema and the %s schema are too large to compare; split them", roles.Reader, roles.Writer)
	}
	return ""
}
