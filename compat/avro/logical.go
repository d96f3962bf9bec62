package avro

import "math"

// logical sets the logical type of n if the one that is written is valid
// there. The specification says to ignore it if it is not.
func (p *parser) logical(n *Node, a *attributes) *fault {
	word, _ := p.optional(a.logicalType)
	switch logical := Logical(word); logical {
	case Decimal:
		return p.decimal(n, a)
	case BigDecimal:
		n.setLogical(logical, n.Kind == Bytes)
	case UUID:
		n.setLogical(logical, n.Kind == String || n.Kind == Fixed && n.Size == 16)
	case Duration:
		n.setLogical(logical, n.Kind == Fixed && n.Size == 12)
	case Date, TimeMillis:
		n.setLogical(logical, n.Kind == Int)
	case TimeMicros, TimestampMillis, TimestampMicros, TimestampNanos,
		LocalTimestampMillis, LocalTimestampMicros, LocalTimestampNanos:
		n.setLogical(logical, n.Kind == Long)
	}
	return nil
}

func (n *Node) setLogical(l Logical, valid bool) {
	if valid {
		n.Logical = l
	}
}

// decimal reads precision and scale: integers with 0 < precision, as many
// digits as the fixed can hold, and 0 <= scale <= precision.
func (p *parser) decimal(n *Node, a *attributes) *fault {
	if n.Kind != Bytes && n.Kind != Fixed {
		return nil
	}
	precision, ok := p.integer(a.precision)
	if !ok || precision <= 0 {
		return nil
	}
	var scale int64
	if a.scale != 0 {
		if scale, ok = p.integer(a.scale); !ok || scale < 0 || scale > precision {
			return nil
		}
	}
	if n.Kind == Fixed && precision > fixedPrecision(n.Size) {
		return nil
	}
	if precision > MaxDecimalPrecision {
		if p.strict {
			return faultf(a.precision, "a decimal of %d digits; at most %d are possible", precision, MaxDecimalPrecision)
		}
		return nil
	}
	n.Logical, n.Precision, n.Scale = Decimal, int(precision), int(scale)
	return nil
}

// fixedPrecision returns how many decimal digits a two's complement number of
// size bytes always holds.
func fixedPrecision(size int) int64 {
	return int64(math.Floor(math.Log10(2) * (8*float64(size) - 1)))
}
