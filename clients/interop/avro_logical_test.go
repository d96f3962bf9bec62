package interop

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

// logicalTypes: values of every logical type are to Java's own types what they are
// to Go's, and come back as the same bytes.
func (j avroJudge) logicalTypes(t *testing.T) {
	s := &shapes{r: rand.New(rand.NewPCG(3, 17))}
	all := s.logicals()
	fields := make([]string, len(all))
	for i, l := range all {
		fields[i] = fmt.Sprintf(`{"name":"f%d","type":%s}`, i, l.schema)
	}
	text := `{"type":"record","name":"All","fields":[` + strings.Join(fields, ",") + `]}`
	schema := avro.MustParse(text)
	for range 200 {
		value := map[string]any{}
		for i, l := range all {
			value[fmt.Sprintf("f%d", i)] = l.value()
		}
		data, err := avro.Marshal(schema, value)
		if err != nil {
			t.Fatal(err)
		}
		got := j.must(t, judgeRequest{Op: "logical", Schema: text, Data: data})
		if !bytes.Equal(got.Data, data) {
			t.Errorf("%v\nis %x, the judge makes it %x", value, data, got.Data)
		}
		for i, l := range all {
			name := fmt.Sprintf("f%d", i)
			if err := sameInJava(value[name], got.Fields[name]); err != nil {
				t.Errorf("%s: %v", l.schema, err)
			}
		}
	}
}

// sameInJava compares a Go value with "Type value" as Java prints it.
func sameInJava(v any, printed string) error {
	kind, text, _ := strings.Cut(printed, " ")
	same := false
	switch v := v.(type) {
	case *big.Rat:
		theirs, ok := new(big.Rat).SetString(text)
		same = kind == "BigDecimal" && ok && theirs.Cmp(v) == 0
	case time.Duration:
		at, err := parseAny(text, "15:04:05.999999999", "15:04")
		same = kind == "LocalTime" && err == nil && at.Sub(at.Truncate(24*time.Hour)) == v
	case time.Time:
		at, err := parseAny(text, time.RFC3339Nano, "2006-01-02", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04")
		same = err == nil && at.Equal(v)
	case [16]byte:
		same = kind == "UUID" && strings.ReplaceAll(text, "-", "") == fmt.Sprintf("%x", v)
	case string:
		same = kind == "UUID" && text == v
	case avro.LogicalDuration:
		// An ISO period: years and months, days, and the time in seconds.
		same = kind == "TimePeriod" && strings.Contains(text, fmt.Sprint(v.Days))
	}
	if !same {
		return fmt.Errorf("%T %v is %s to the judge", v, v, printed)
	}
	return nil
}

func parseAny(text string, layouts ...string) (at time.Time, err error) {
	for _, layout := range layouts {
		if at, err = time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return at, err
}
