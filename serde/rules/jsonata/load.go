package jsonata

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/dop251/goja"
)

//go:embed jsonata.min.js
var published string

//go:embed guard.js
var guard string

// replacements is what is changed in the published text: how often each stands
// there, so that another version cannot slip in unread.
var replacements = []struct {
	old, new string
	count    int
}{
	// Nothing here is asynchronous: promises would only keep an evaluation's
	// stack on the heap, where no limit of the interpreter sees it.
	{"await Promise.all(", "(", 2},
	{"await ", "", 101},
	{"async function", "function", 43},
	{"async()=>", "()=>", 1},
	{"async(e,t)=>", "(e,t)=>", 1},
	{"async(t,n)=>", "(t,n)=>", 1},
	// What makes large values in one step of the interpreter asks first.
	{"new Array(f+1).join(", "new Array(grant(f)+1).join(", 1},
	{"new Array(a+1).join(", "new Array(grant(a)+1).join(", 1},
	{"new Array(D+1).join(", "new Array(grant(D)+1).join(", 2},
	{"new Array(T+1).join(", "new Array(grant(T)+1).join(", 1},
	{"value:l};i+=l,", "value:l};grant(l.length),i+=l,", 1},
	{"JSON.stringify(", "stringify(", 5},
}

// program is the evaluator, compiled; it is shared by all runtimes.
var program = sync.OnceValues(func() (*goja.Program, error) {
	text, err := changed()
	if err != nil {
		return nil, err
	}
	return goja.Compile("jsonata.js", text, false)
})

var guardProgram = sync.OnceValues(func() (*goja.Program, error) {
	return goja.Compile("guard.js", guard, true)
})

var binding = regexp.MustCompile(`\.bind\("([A-Za-z0-9]+)",`)

// builtin returns the names of the built-in functions.
var builtin = sync.OnceValue(func() []string {
	var names []string
	for _, found := range binding.FindAllStringSubmatch(published, -1) {
		names = append(names, found[1])
	}
	return names
})

// changed returns the published text with the replacements made.
func changed() (string, error) {
	text := published
	for _, r := range replacements {
		if n := strings.Count(text, r.old); n != r.count {
			return "", fmt.Errorf("jsonata: the evaluator has %q %d times, not %d: it is not the version that this package is for", r.old, n, r.count)
		}
		text = strings.ReplaceAll(text, r.old, r.new)
	}
	return text, nil
}
