package gen

import (
	"strings"
	"unicode"
)

// initialisms are the words that Go writes in one case.
var initialisms = map[string]bool{
	"API": true, "ASCII": true, "CPU": true, "CSS": true, "DB": true, "DNS": true, "EOF": true, "GUID": true, "HTML": true,
	"HTTP": true, "HTTPS": true, "ID": true, "IP": true, "JSON": true, "QPS": true, "RPC": true, "SKU": true, "SQL": true,
	"SSH": true, "TCP": true, "TLS": true, "TTL": true, "UDP": true, "UI": true, "UID": true, "URI": true, "URL": true,
	"UTF8": true, "UUID": true, "VM": true, "XML": true,
}

// exported returns the exported Go identifier for an Avro name or any other
// text: order_id and orderId become OrderID, IN_PROGRESS becomes InProgress.
func exported(name string) string {
	var out strings.Builder
	for _, word := range words(name) {
		upper := strings.ToUpper(word)
		switch {
		case initialisms[upper]:
			out.WriteString(upper)
		case word == upper && len(word) > 1:
			out.WriteString(title(strings.ToLower(word)))
		default:
			out.WriteString(title(word))
		}
	}
	id := out.String()
	if r := []rune(id); len(r) == 0 || !unicode.IsUpper(r[0]) {
		return "X" + id
	}
	return id
}

func title(word string) string {
	r := []rune(word)
	r[0] = unicode.ToUpper(r[0])
	return string(r)
}

// words splits at everything that is neither letter nor digit, and before an
// upper-case letter that follows a lower-case one or begins a word of its own
// (HTTPServer is HTTP, Server).
func words(name string) []string {
	var out []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			out = append(out, string(word))
			word = nil
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			end()
			continue
		}
		if unicode.IsUpper(r) && len(word) > 0 {
			last := word[len(word)-1]
			startsWord := i+1 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsUpper(last)
			if !unicode.IsUpper(last) && !unicode.IsDigit(last) || startsWord {
				end()
			}
		}
		word = append(word, r)
	}
	end()
	return out
}
