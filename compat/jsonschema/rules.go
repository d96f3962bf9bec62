package jsonschema

// Rules: what Differences may find. The names are the error types of the
// reference server.
const (
	IDChanged          = "ID_CHANGED"
	TitleChanged       = "TITLE_CHANGED"
	DescriptionChanged = "DESCRIPTION_CHANGED"
	DefaultChanged     = "DEFAULT_CHANGED"

	SchemaAdded   = "SCHEMA_ADDED"
	SchemaRemoved = "SCHEMA_REMOVED"
	TypeExtended  = "TYPE_EXTENDED"
	TypeNarrowed  = "TYPE_NARROWED"
	TypeChanged   = "TYPE_CHANGED"

	MaxLengthAdded     = "MAX_LENGTH_ADDED"
	MaxLengthRemoved   = "MAX_LENGTH_REMOVED"
	MaxLengthIncreased = "MAX_LENGTH_INCREASED"
	MaxLengthDecreased = "MAX_LENGTH_DECREASED"
	MinLengthAdded     = "MIN_LENGTH_ADDED"
	MinLengthRemoved   = "MIN_LENGTH_REMOVED"
	MinLengthIncreased = "MIN_LENGTH_INCREASED"
	MinLengthDecreased = "MIN_LENGTH_DECREASED"
	PatternAdded       = "PATTERN_ADDED"
	PatternRemoved     = "PATTERN_REMOVED"
	PatternChanged     = "PATTERN_CHANGED"

	MaximumAdded              = "MAXIMUM_ADDED"
	MaximumRemoved            = "MAXIMUM_REMOVED"
	MaximumIncreased          = "MAXIMUM_INCREASED"
	MaximumDecreased          = "MAXIMUM_DECREASED"
	MinimumAdded              = "MINIMUM_ADDED"
	MinimumRemoved            = "MINIMUM_REMOVED"
	MinimumIncreased          = "MINIMUM_INCREASED"
	MinimumDecreased          = "MINIMUM_DECREASED"
	ExclusiveMaximumAdded     = "EXCLUSIVE_MAXIMUM_ADDED"
	ExclusiveMaximumRemoved   = "EXCLUSIVE_MAXIMUM_REMOVED"
	ExclusiveMaximumIncreased = "EXCLUSIVE_MAXIMUM_INCREASED"
	ExclusiveMaximumDecreased = "EXCLUSIVE_MAXIMUM_DECREASED"
	ExclusiveMinimumAdded     = "EXCLUSIVE_MINIMUM_ADDED"
	ExclusiveMinimumRemoved   = "EXCLUSIVE_MINIMUM_REMOVED"
	ExclusiveMinimumIncreased = "EXCLUSIVE_MINIMUM_INCREASED"
	ExclusiveMinimumDecreased = "EXCLUSIVE_MINIMUM_DECREASED"
	MultipleOfAdded           = "MULTIPLE_OF_ADDED"
	MultipleOfRemoved         = "MULTIPLE_OF_REMOVED"
	MultipleOfExpanded        = "MULTIPLE_OF_EXPANDED"
	MultipleOfReduced         = "MULTIPLE_OF_REDUCED"
	MultipleOfChanged         = "MULTIPLE_OF_CHANGED"

	RequiredAttributeAdded            = "REQUIRED_ATTRIBUTE_ADDED"
	RequiredAttributeWithDefaultAdded = "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED"
	RequiredAttributeRemoved          = "REQUIRED_ATTRIBUTE_REMOVED"
	MaxPropertiesAdded                = "MAX_PROPERTIES_ADDED"
	MaxPropertiesRemoved              = "MAX_PROPERTIES_REMOVED"
	MaxPropertiesIncreased            = "MAX_PROPERTIES_INCREASED"
	MaxPropertiesDecreased            = "MAX_PROPERTIES_DECREASED"
	MinPropertiesAdded                = "MIN_PROPERTIES_ADDED"
	MinPropertiesRemoved              = "MIN_PROPERTIES_REMOVED"
	MinPropertiesIncreased            = "MIN_PROPERTIES_INCREASED"
	MinPropertiesDecreased            = "MIN_PROPERTIES_DECREASED"

	DependencyArrayAdded    = "DEPENDENCY_ARRAY_ADDED"
	DependencyArrayRemoved  = "DEPENDENCY_ARRAY_REMOVED"
	DependencyArrayExtended = "DEPENDENCY_ARRAY_EXTENDED"
	DependencyArrayNarrowed = "DEPENDENCY_ARRAY_NARROWED"
	DependencyArrayChanged  = "DEPENDENCY_ARRAY_CHANGED"
	DependencySchemaAdded   = "DEPENDENCY_SCHEMA_ADDED"
	DependencySchemaRemoved = "DEPENDENCY_SCHEMA_REMOVED"

	AdditionalPropertiesAdded     = "ADDITIONAL_PROPERTIES_ADDED"
	AdditionalPropertiesRemoved   = "ADDITIONAL_PROPERTIES_REMOVED"
	AdditionalPropertiesExtended  = "ADDITIONAL_PROPERTIES_EXTENDED"
	AdditionalPropertiesNarrowed  = "ADDITIONAL_PROPERTIES_NARROWED"
	UnevaluatedPropertiesAdded    = "UNEVALUATED_PROPERTIES_ADDED"
	UnevaluatedPropertiesRemoved  = "UNEVALUATED_PROPERTIES_REMOVED"
	UnevaluatedPropertiesExtended = "UNEVALUATED_PROPERTIES_EXTENDED"
	UnevaluatedPropertiesNarrowed = "UNEVALUATED_PROPERTIES_NARROWED"

	EmptyPropertyAddedToOpen               = "PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL"
	OptionalPropertyAddedToOpen            = "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"
	RequiredPropertyWithDefaultAddedToOpen = "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL"
	RequiredPropertyAddedToOpen            = "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"

	OptionalPropertyAddedToUnopen            = "OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL"
	RequiredPropertyWithDefaultAddedToUnopen = "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL"
	RequiredPropertyAddedToUnopen            = "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL"
	PropertyAddedIsCovered                   = "PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
	PropertyAddedNotCovered                  = "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"

	PropertyRemovedFromOpen        = "PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL"
	PropertyRemovedIsCovered       = "PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
	PropertyRemovedNotCovered      = "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
	FalsePropertyRemovedFromClosed = "PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL"
	PropertyRemovedFromClosed      = "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL"

	MaxItemsAdded        = "MAX_ITEMS_ADDED"
	MaxItemsRemoved      = "MAX_ITEMS_REMOVED"
	MaxItemsIncreased    = "MAX_ITEMS_INCREASED"
	MaxItemsDecreased    = "MAX_ITEMS_DECREASED"
	MinItemsAdded        = "MIN_ITEMS_ADDED"
	MinItemsRemoved      = "MIN_ITEMS_REMOVED"
	MinItemsIncreased    = "MIN_ITEMS_INCREASED"
	MinItemsDecreased    = "MIN_ITEMS_DECREASED"
	MaxContainsAdded     = "MAX_CONTAINS_ADDED"
	MaxContainsRemoved   = "MAX_CONTAINS_REMOVED"
	MaxContainsIncreased = "MAX_CONTAINS_INCREASED"
	MaxContainsDecreased = "MAX_CONTAINS_DECREASED"
	MinContainsAdded     = "MIN_CONTAINS_ADDED"
	MinContainsRemoved   = "MIN_CONTAINS_REMOVED"
	MinContainsIncreased = "MIN_CONTAINS_INCREASED"
	MinContainsDecreased = "MIN_CONTAINS_DECREASED"
	UniqueItemsAdded     = "UNIQUE_ITEMS_ADDED"
	UniqueItemsRemoved   = "UNIQUE_ITEMS_REMOVED"

	AdditionalItemsAdded     = "ADDITIONAL_ITEMS_ADDED"
	AdditionalItemsRemoved   = "ADDITIONAL_ITEMS_REMOVED"
	AdditionalItemsExtended  = "ADDITIONAL_ITEMS_EXTENDED"
	AdditionalItemsNarrowed  = "ADDITIONAL_ITEMS_NARROWED"
	UnevaluatedItemsAdded    = "UNEVALUATED_ITEMS_ADDED"
	UnevaluatedItemsRemoved  = "UNEVALUATED_ITEMS_REMOVED"
	UnevaluatedItemsExtended = "UNEVALUATED_ITEMS_EXTENDED"
	UnevaluatedItemsNarrowed = "UNEVALUATED_ITEMS_NARROWED"

	EmptyItemAddedToOpen       = "ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL"
	ItemAddedToOpen            = "ITEM_ADDED_TO_OPEN_CONTENT_MODEL"
	ItemAddedToClosed          = "ITEM_ADDED_TO_CLOSED_CONTENT_MODEL"
	ItemAddedIsCovered         = "ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
	ItemAddedNotCovered        = "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
	ItemRemovedFromOpen        = "ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL"
	ItemRemovedIsCovered       = "ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
	ItemRemovedNotCovered      = "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
	FalseItemRemovedFromClosed = "ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL"
	ItemRemovedFromClosed      = "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL"

	EnumArrayExtended = "ENUM_ARRAY_EXTENDED"
	EnumArrayNarrowed = "ENUM_ARRAY_NARROWED"
	EnumArrayChanged  = "ENUM_ARRAY_CHANGED"

	ProductTypeExtended       = "PRODUCT_TYPE_EXTENDED"
	ProductTypeNarrowed       = "PRODUCT_TYPE_NARROWED"
	SumTypeExtended           = "SUM_TYPE_EXTENDED"
	SumTypeNarrowed           = "SUM_TYPE_NARROWED"
	CombinedTypeExtended      = "COMBINED_TYPE_EXTENDED"
	CombinedTypeChanged       = "COMBINED_TYPE_CHANGED"
	CombinedSubschemasChanged = "COMBINED_TYPE_SUBSCHEMAS_CHANGED"
	NotTypeExtended           = "NOT_TYPE_EXTENDED"
	NotTypeNarrowed           = "NOT_TYPE_NARROWED"

	// TooLarge is ours: the comparison was given up, and the answer is no.
	TooLarge = "SCHEMAS_TOO_LARGE_TO_COMPARE"
)

// Sentences about a rule that breaks. %[1]s is the path, %[2]s the reader's
// role, %[3]s the writer's.
const (
	saysAdded      = "The keyword at path '%[1]s' in the %[2]s schema is not present in the %[3]s schema"
	saysIncreased  = "The value at path '%[1]s' in the %[2]s schema is more than its value in the %[3]s schema"
	saysDecreased  = "The value at path '%[1]s' in the %[2]s schema is less than its value in the %[3]s schema"
	saysChanged    = "The value at path '%[1]s' in the %[2]s schema is different from its value in the %[3]s schema"
	saysNarrowed   = "An array or combined type at path '%[1]s' has fewer elements in the %[2]s schema than the %[3]s schema"
	saysExtended   = "An array or combined type at path '%[1]s' has more elements in the %[2]s schema than the %[3]s schema"
	saysStricter   = "The keyword at path '%[1]s' in the %[2]s schema allows less than it does in the %[3]s schema"
	saysClosed     = "The %[2]s schema has a closed content model and is missing a property or item at path '%[1]s' present in the %[3]s schema"
	saysOpen       = "The %[3]s schema has an open content model and is missing a property or item at path '%[1]s' present in the %[2]s schema"
	saysNotCovered = "A property or item at path '%[1]s' in the %[2]s schema is not covered by the partially open content model of the %[3]s schema"
	saysUncovered  = "A property or item is missing in the %[2]s schema but present at path '%[1]s' in the %[3]s schema and is not covered by its partially open content model"
	saysRequired   = "The %[2]s schema requires a property at path '%[1]s' that the %[3]s schema does not require"
)

// lenient are the rules that break only under compat.PolicyStrict.
var lenient = map[string]string{
	AdditionalPropertiesRemoved:            saysStricter,
	AdditionalPropertiesNarrowed:           saysStricter,
	UnevaluatedPropertiesRemoved:           saysStricter,
	UnevaluatedPropertiesNarrowed:          saysStricter,
	OptionalPropertyAddedToOpen:            saysOpen,
	RequiredPropertyWithDefaultAddedToOpen: saysOpen,
	PropertyAddedNotCovered:                saysNotCovered,
	PropertyRemovedNotCovered:              saysUncovered,
	PropertyRemovedFromClosed:              saysClosed,
}

// breaking are the rules that break under every policy. Those in neither table
// are harmless.
var breaking = map[string]string{
	SchemaAdded:  "A schema at path '%[1]s' in the %[2]s schema is not present in the %[3]s schema",
	TypeNarrowed: "A type at path '%[1]s' in the %[2]s schema allows less than the type in the %[3]s schema",
	TypeChanged:  "A type at path '%[1]s' is different between the %[2]s schema and the %[3]s schema",

	MaxLengthAdded: saysAdded, MaxLengthDecreased: saysDecreased,
	MinLengthAdded: saysAdded, MinLengthIncreased: saysIncreased,
	PatternAdded: saysAdded, PatternChanged: saysChanged,

	MaximumAdded: saysAdded, MaximumDecreased: saysDecreased,
	MinimumAdded: saysAdded, MinimumIncreased: saysIncreased,
	ExclusiveMaximumAdded: saysAdded, ExclusiveMaximumDecreased: saysDecreased,
	ExclusiveMinimumAdded: saysAdded, ExclusiveMinimumIncreased: saysIncreased,
	MultipleOfAdded: saysAdded, MultipleOfExpanded: saysIncreased, MultipleOfChanged: saysChanged,

	RequiredAttributeAdded: saysRequired,
	MaxPropertiesAdded:     saysAdded, MaxPropertiesDecreased: saysDecreased,
	MinPropertiesAdded: saysAdded, MinPropertiesIncreased: saysIncreased,

	DependencyArrayAdded: saysAdded, DependencyArrayExtended: saysExtended, DependencyArrayChanged: saysChanged,
	DependencySchemaAdded: saysAdded,

	RequiredPropertyAddedToOpen: saysOpen,
	RequiredPropertyAddedToUnopen: "The %[3]s schema has an unopen content model and is missing a required property at path '%[1]s' " +
		"present in the %[2]s schema",

	MaxItemsAdded: saysAdded, MaxItemsDecreased: saysDecreased,
	MinItemsAdded: saysAdded, MinItemsIncreased: saysIncreased,
	MaxContainsAdded: saysAdded, MaxContainsDecreased: saysDecreased,
	MinContainsAdded: saysAdded, MinContainsIncreased: saysIncreased,
	UniqueItemsAdded: saysAdded,

	AdditionalItemsRemoved: saysStricter, AdditionalItemsNarrowed: saysStricter,
	UnevaluatedItemsRemoved: saysStricter, UnevaluatedItemsNarrowed: saysStricter,
	ItemAddedToOpen: saysOpen, ItemAddedNotCovered: saysNotCovered,
	ItemRemovedFromClosed: saysClosed, ItemRemovedNotCovered: saysUncovered,

	EnumArrayNarrowed: saysNarrowed, EnumArrayChanged: saysChanged,
	ProductTypeExtended: saysExtended, SumTypeNarrowed: saysNarrowed,
	CombinedTypeChanged:       "A combined type at path '%[1]s' is different between the %[2]s schema and the %[3]s schema",
	CombinedSubschemasChanged: "The subschemas of a combined type at path '%[1]s' do not match between the %[2]s schema and the %[3]s schema",
	NotTypeExtended:           "The schema under not at path '%[1]s' in the %[2]s schema excludes more than in the %[3]s schema",
	TooLarge:                  "The %[2]s schema and the %[3]s schema are too large to compare at path '%[1]s'; split them",
}
