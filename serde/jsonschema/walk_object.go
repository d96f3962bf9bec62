package jsonschema

// object validates the object at i.
func (w *walker) object(p *program, i int) int {
	o, start := p.object, i
	if !w.enter(i) {
		return -1
	}
	base := len(w.seen)
	for range o.required {
		w.seen = append(w.seen, 0)
	}
	count, expected := 0, 0
	i, done := w.opened(i, '}')
	for !done {
		end, t, value := w.key(i)
		if end < 0 {
			return -1
		}
		count++
		name, textBase := w.data[i+1:end-1], len(w.text)
		if t.escaped {
			w.text = appendUnescaped(w.text, name)
			name = w.text[textBase:]
		}
		covered := false
		rule := o.find(name, expected)
		if rule >= 0 {
			expected = rule + 1
			if bit := o.names[rule].bit; bit >= 0 {
				w.seen[base+bit/64] |= 1 << (bit % 64)
			}
		}
		next := -1
		if rule >= 0 && o.names[rule].property {
			covered = true
			if next = w.run(o.names[rule].program, value); next < 0 {
				return -1
			}
		}
		for k := range o.patterns {
			if !o.patterns[k].match.Match(name) {
				continue
			}
			covered = true
			if next = w.run(o.patterns[k].program, value); next < 0 {
				return -1
			}
		}
		if !covered {
			if o.extra != nil && o.extra.never {
				return w.fail(faultExtra, i, p, "")
			}
			next = w.run(o.extra, value)
		}
		if next < 0 {
			return -1
		}
		if o.hasNames && w.run(o.nameRules, i) < 0 {
			return -1
		}
		w.text = w.text[:textBase]
		if i, done = w.next(next, '}'); i < 0 {
			return -1
		}
	}
	w.depth--
	if count < o.min {
		return w.fail(faultMinProperties, start, p, "")
	}
	if o.max >= 0 && count > o.max {
		return w.fail(faultMaxProperties, start, p, "")
	}
	for k, want := range o.required {
		if missing := want &^ w.seen[base+k]; missing != 0 {
			return w.fail(faultRequired, start, p, o.nameOfBit(k*64, missing))
		}
	}
	if len(o.needs) > 0 && !w.needed(p, start, base) {
		return -1
	}
	w.seen = w.seen[:base]
	return i
}

// find returns the index of the rule for a member, -1 if there is none. Members
// most often come in the order of the schema.
func (o *objectRules) find(name []byte, expected int) int {
	if expected < len(o.names) && string(name) == o.names[expected].name {
		return expected
	}
	if o.index != nil {
		if k, ok := o.index[string(name)]; ok {
			return k
		}
		return -1
	}
	for k := range o.names {
		if string(name) == o.names[k].name {
			return k
		}
	}
	return -1
}

// nameOfBit returns the first member of a word of bits.
func (o *objectRules) nameOfBit(from int, bits uint64) string {
	for k := range o.names {
		if bit := o.names[k].bit - from; bit >= 0 && bit < 64 && bits&(1<<bit) != 0 {
			return o.names[k].name
		}
	}
	return ""
}

// needed checks what the members that were seen ask for.
func (w *walker) needed(p *program, start, base int) bool {
	o := p.object
	for k := range o.needs {
		need := &o.needs[k]
		if !bitSet(w.seen[base:], need.bit) {
			continue
		}
		for _, bit := range need.names {
			if !bitSet(w.seen[base:], bit) {
				w.fail(faultRequired, start, p, o.nameOfBit(bit/64*64, 1<<(bit%64)))
				return false
			}
		}
		if need.program != nil && w.run(need.program, start) < 0 {
			return false
		}
	}
	return true
}
