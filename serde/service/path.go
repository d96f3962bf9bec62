package service

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// placeOf takes the line and the column out of an error of protojson, whose
// spaces vary on purpose.
var placeOf = regexp.MustCompile(`\(line (\d+):(\d+)\):?[\s\x{a0}]*(.*)`)

// jsonTextError says what protojson found wrong, and at which path.
func jsonTextError(document []byte, err error) error {
	e := &DocumentError{Pos: -1, Reason: strings.TrimSpace(strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto:"))}
	m := placeOf.FindStringSubmatch(e.Reason)
	if m == nil {
		return e
	}
	line, _ := strconv.Atoi(m[1])
	column, _ := strconv.Atoi(m[2])
	e.Reason = m[3]
	e.Pos = offsetOf(document, line, column)
	e.Path = pathAt(document, e.Pos)
	return e
}

// offsetOf is the byte position of a line and a column, both from 1.
func offsetOf(text []byte, line, column int) int {
	pos := 0
	for ; line > 1; line-- {
		i := bytes.IndexByte(text[pos:], '\n')
		if i < 0 {
			break
		}
		pos += i + 1
	}
	return min(pos+column-1, len(text))
}

// pathAt names the place of byte pos in a JSON text, such as items[3].price: the
// member whose name or value stands there. The text is known to be JSON.
func pathAt(text []byte, pos int) string {
	type level struct {
		name   string // of the member that is being read
		index  int    // of the item, if it is an array
		array  bool
		naming bool // a member's name comes next
	}
	var stack []level
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			break
		}
		delim, isDelim := token.(json.Delim)
		closing := isDelim && (delim == '}' || delim == ']')
		if n := len(stack); n > 0 && !closing && stack[n-1].naming {
			stack[n-1].name, stack[n-1].naming = token.(string), false
			if d.InputOffset() > int64(pos) {
				break
			}
			continue
		}
		if d.InputOffset() > int64(pos) && !closing {
			break
		}
		switch {
		case isDelim && !closing:
			stack = append(stack, level{array: delim == '[', naming: delim == '{'})
			continue
		case closing:
			stack = stack[:len(stack)-1]
			if d.InputOffset() > int64(pos) {
				goto found
			}
		}
		if n := len(stack); n > 0 { // a value has ended
			if stack[n-1].array {
				stack[n-1].index++
			} else {
				stack[n-1].naming = true
			}
		}
	}
found:
	var path strings.Builder
	for _, l := range stack {
		switch {
		case l.array:
			path.WriteString("[" + strconv.Itoa(l.index) + "]")
		case l.name != "":
			if path.Len() > 0 {
				path.WriteByte('.')
			}
			path.WriteString(l.name)
		}
	}
	return path.String()
}
