package jsonschema

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat"
)

// TestHostileSchemas: whatever the text, an answer comes soon. The limit is far
// above what it takes, and far below what these cases take without bounds.
func TestHostileSchemas(t *testing.T) {
	repeat := strings.Repeat
	chain := func(n int, link func(i int) string, last string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"d%d":%s,`, i, link(i))
		}
		return `{"$ref":"#/definitions/d0","definitions":{` + b.String() + `"d` + strconv.Itoa(n) + `":` + last + `}}`
	}
	list := func(n int, item func(i int) string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(item(i))
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		text   string
		refuse string // part of the reason; empty if the text is taken
	}{
		"100,000 arrays":    {`{"enum":` + repeat("[", 100_000) + repeat("]", 100_000) + `}`, "nested deeper"},
		"100,000 objects":   {repeat(`{"not":`, 100_000) + `true` + repeat("}", 100_000), "nested deeper"},
		"1,000 objects":     {repeat(`{"not":`, 999) + `true` + repeat("}", 999), ""},
		"1,000 all-ofs":     {repeat(`{"allOf":[`, 499) + `true` + repeat("]}", 499), ""},
		"million values":    {`{"enum":[` + list(1<<20, strconv.Itoa) + `]}`, "JSON values"},
		"enum of 100,000":   {`{"enum":[` + list(100_000, strconv.Itoa) + `]}`, ""},
		"enum of one value": {`{"enum":[` + repeat("1,", 100_000) + `1]}`, "twice"},
		"any-of 1,000":      {`{"anyOf":[` + list(1000, func(i int) string { return fmt.Sprintf(`{"maxLength":%d,"minimum":%d}`, i, i) }) + `]}`, ""},
		"any-of 150 of any-of 150": {`{"anyOf":[` + list(150, func(i int) string {
			return `{"anyOf":[` + list(150, func(j int) string { return fmt.Sprintf(`{"maxLength":%d,"type":"string"}`, i*j) }) + `]}`
		}) + `]}`, ""},
		"doubling references": {chain(200, func(i int) string {
			return fmt.Sprintf(`{"properties":{"a":{"$ref":"#/definitions/d%d"},"b":{"$ref":"#/definitions/d%d"}}}`, i+1, i+1)
		}, `{"type":"string"}`), ""},
		"doubling any-of": {chain(200, func(i int) string {
			return fmt.Sprintf(`{"anyOf":[{"items":{"$ref":"#/definitions/d%d"}},{"properties":{"x":{"$ref":"#/definitions/d%d"}}}]}`, i+1, i+1)
		}, `{"type":"string"}`), ""},
		"doubling not": {chain(200, func(i int) string {
			return fmt.Sprintf(`{"not":{"allOf":[{"$ref":"#/definitions/d%d"},{"not":{"$ref":"#/definitions/d%d"}}]}}`, i+1, i+1)
		}, `{"type":"string"}`), ""},
		"20,000 in a row": {chain(20_000, func(i int) string {
			return fmt.Sprintf(`{"properties":{"a":{"$ref":"#/definitions/d%d"}}}`, i+1)
		}, `{"type":"string"}`), ""},
		"10,000 bare references": {chain(10_000, func(i int) string {
			return fmt.Sprintf(`{"$ref":"#/definitions/d%d"}`, i+1)
		}, `{"type":"string"}`), "leads back to itself, or through more than"},
		"loop of 10,000":           {chain(10_000, func(i int) string { return fmt.Sprintf(`{"$ref":"#/definitions/d%d"}`, i+1) }, `{"$ref":"#/definitions/d0"}`), "leads back"},
		"repeated repetition":      {`{"pattern":"` + repeat("(", 20) + "a" + repeat("{1000})", 20) + `"}`, ""},
		"alternatives that choke":  {`{"pattern":"^(a+)+$","patternProperties":{"^(a|a)*$":{}},"properties":{"` + repeat("a", 1000) + `b":{}}}`, ""},
		"long pattern":             {`{"pattern":"` + repeat("a|", 100_000) + `"}`, ""},
		"deep pattern":             {`{"pattern":"` + repeat("(", 5000) + repeat(")", 5000) + `"}`, ""},
		"look-ahead":               {`{"pattern":"^(?!a)(?<=b)\\1$"}`, ""},
		"2^31":                     {`{"maxLength":2147483648,"minLength":9223372036854775808,"maxItems":1e300,"maximum":1e1000,"multipleOf":1e-1000}`, ""},
		"exponent":                 {`{"maximum":1e999999999}`, "out of range"},
		"negative exponent":        {`{"multipleOf":1e-999999999}`, "out of range"},
		"10,000 large numbers":     {`{"enum":[` + list(10_000, func(i int) string { return fmt.Sprintf(`{"a":%de999}`, i) }) + `]}`, ""},
		"100,000 duplicates":       {`{` + repeat(`"a":1,`, 100_000) + `"a":1}`, ""},
		"identifiers":              {`{"definitions":{` + list(20_000, func(i int) string { return fmt.Sprintf(`"d%d":{"$id":"d%d.json"}`, i, i) }) + `}}`, "schemas with an identifier"},
		"100,000 properties":       {`{"properties":{` + list(100_000, func(i int) string { return fmt.Sprintf(`"p%d":{"type":"string"}`, i) }) + `}}`, "more than 50000 schemas"},
		"20,000 properties":        {`{"properties":{` + list(20_000, func(i int) string { return fmt.Sprintf(`"p%d":{"type":"string"}`, i) }) + `}}`, ""},
		"recursion through itself": {`{"anyOf":[{"$ref":"#"},{"type":"string"}]}`, ""},
		"not itself":               {`{"not":{"$ref":"#"}}`, ""},
		"17 MB":                    {`{"title":"` + repeat("a", 17<<20) + `"}`, "bytes with what it refers to"},
	} {
		if !sweeping && len(c.text) > 200_000 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			for _, strict := range []bool{false, true} {
				s, err := Parse(compat.Source{Text: c.text, Strict: strict})
				switch {
				case c.refuse == "twice" && !strict:
				case c.refuse == "" && err != nil:
					t.Fatalf("%.300v", err)
				case c.refuse == "":
					other := parse(t, `{"properties":{"a":{"properties":{"a":{"type":"integer"}}}}}`)
					for _, policy := range []compat.Policy{compat.PolicyStrict, compat.PolicyLenient} {
						s.Differences(other, compat.Options{Policy: policy})
						other.Differences(s, compat.Options{Policy: policy})
						for _, d := range s.Differences(s, compat.Options{Policy: policy}) {
							if d.Rule != TooLarge {
								t.Fatalf("differs from itself: %v", d)
							}
						}
					}
					changed, err := Parse(compat.Source{Text: strings.Replace(c.text, `"string"`, `"integer"`, 1)})
					if err != nil {
						t.Fatal(err)
					}
					for i, d := range changed.Differences(s, compat.Options{}) {
						if i%1000 == 0 {
							changed.Position(d.Path)
						}
					}
				case err == nil || !strings.Contains(err.Error(), c.refuse):
					t.Fatalf("strict %v: %.300v", strict, err)
				case len(err.Error()) > 1000:
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
			}
			t.Logf("took %v", time.Since(began))
		})
	}
}

func TestPatternsOfBothKinds(t *testing.T) {
	for pattern, cases := range map[string][2][]string{
		`^\d{3}$`:                      {{"123"}, {"12", "１２３"}},
		`^[\s]+$`:                      {{" \t\u00a0\ufeff\u2028"}, {"a", ""}},
		`^\S+$`:                        {{"ab"}, {"a b", "\u00a0"}},
		`^[^\S]$`:                      {{" "}, {"a"}},
		`^\u00e9\/\-$`:                 {{"é/-"}, {"e/-"}},
		`^\u{1F600}$`:                  {{"😀"}, {"u"}},
		`^a.c$`:                        {{"abc", "a😀c"}, {"a\nc", "a\u2028c"}},
		`^[[]$`:                        {{"["}, {"]"}},
		`^[^]$`:                        {{"a", "\n"}, {""}},
		`^[]$`:                         {{}, {"", "a"}},
		`^\cJ$`:                        {{"\n"}, {"J"}},
		`^[\b]$`:                       {{"\b"}, {"b"}},
		`^\p{L}+$`:                     {{"éa"}, {"1"}},
		`b`:                            {{"abc"}, {"ac"}},
		`^(?<year>\d{4})-\d\d$`:        {{"2026-11"}, {"2026"}},
		`^\A$`:                         {{"A"}, {""}},
		`\.\*\+\?\(\)\[\]\{\}\|\^\$\\`: {{`.*+?()[]{}|^$\`}, {""}},
	} {
		re, err := CompilePattern(pattern)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for i, texts := range cases {
			for _, text := range texts {
				if re.MatchString(text) != (i == 0) {
					t.Errorf("%s and %q", pattern, text)
				}
			}
		}
	}
	for pattern, unsupported := range map[string]bool{
		`(?=a)`: true, `(?!a)`: true, `(?<=a)b`: true, `(a)\1`: true, `(?<n>a)\k<n>`: true, `a{1,2000}`: true, `\p{Foo}`: true,
		`(`: false, `[`: false, `a**`: false, `[b-a]`: false, `*`: false, `a{2,1}`: true,
	} {
		_, err := CompilePattern(pattern)
		e, ok := err.(*PatternError)
		if !ok || e.Unsupported != unsupported {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}
