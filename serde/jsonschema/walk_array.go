package jsonschema

// array validates the array at i.
func (w *walker) array(p *program, i int) int {
	a, start := p.array, i
	if !w.enter(i) {
		return -1
	}
	base := len(w.hashes)
	count, contained := 0, 0
	i, done := w.opened(i, ']')
	for !done {
		item := a.rest
		if count < len(a.tuple) {
			item = a.tuple[count]
		}
		end := w.run(item, i)
		if end < 0 {
			return -1
		}
		if a.hasContain && w.try(a.contains, i) >= 0 {
			contained++
		}
		if w.broken {
			return -1
		}
		if a.unique {
			h, _ := w.hash(i)
			w.hashes = append(w.hashes, hashed{h, i, end})
		}
		count++
		if i, done = w.next(end, ']'); i < 0 {
			return -1
		}
	}
	w.depth--
	switch {
	case count < a.min:
		return w.fail(faultMinItems, start, p, "")
	case a.max >= 0 && count > a.max:
		return w.fail(faultMaxItems, start, p, "")
	case a.hasContain && contained < a.minContain:
		return w.fail(faultMinContains, start, p, "")
	case a.hasContain && a.maxContain >= 0 && contained > a.maxContain:
		return w.fail(faultMaxContains, start, p, "")
	case a.unique && count > 1:
		if twin := w.twin(w.hashes[base:]); twin >= 0 {
			return w.fail(faultUnique, twin, p, "")
		}
	}
	w.hashes = w.hashes[:base]
	return i
}
