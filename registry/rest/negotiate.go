package rest

import (
	"mime"
	"strconv"
	"strings"
)

// The content types of the API, best first.
const (
	typeV1   = "application/vnd.schemaregistry.v1+json"
	typeAny  = "application/vnd.schemaregistry+json"
	typeJSON = "application/json"
	typeRaw  = "application/octet-stream"
)

var answerTypes = [...]struct {
	name    string
	quality float64 // the server's own preference
}{{typeV1, 1}, {typeAny, 0.9}, {typeJSON, 0.5}}

// negotiate returns the content type of the answer, "" if the client accepts
// none of them.
func negotiate(accept []string) string {
	if len(accept) == 0 {
		return typeV1
	}
	if len(accept) == 1 {
		switch accept[0] {
		case "", "*/*", typeV1:
			return typeV1
		case typeJSON:
			return typeJSON
		case typeAny:
			return typeAny
		}
	}
	best, bestScore := "", 0.0
	for _, t := range answerTypes {
		if score := acceptance(accept, t.name); score > 0 && score*1000+t.quality > bestScore {
			best, bestScore = t.name, score*1000+t.quality
		}
	}
	return best
}

// acceptance returns the quality that an Accept header gives to a type: that
// of the most specific range that covers it.
func acceptance(accept []string, typ string) float64 {
	quality, specificity := 0.0, 0
	for _, header := range accept {
		for item := range strings.SplitSeq(header, ",") {
			name, params, err := mime.ParseMediaType(strings.TrimSpace(item))
			if err != nil {
				continue
			}
			s := 0
			switch name {
			case typ:
				s = 3
			case "application/*":
				s = 2
			case "*/*", "*":
				s = 1
			}
			if s <= specificity {
				continue
			}
			specificity, quality = s, 1
			if q, err := strconv.ParseFloat(params["q"], 64); err == nil {
				quality = q
			}
		}
	}
	return quality
}

// readable reports whether a request with that content type is understood.
func readable(contentType string) bool {
	switch contentType {
	case "", typeV1, typeAny, typeJSON, typeRaw:
		return true
	}
	name, _, err := mime.ParseMediaType(contentType)
	return err == nil && (name == typeV1 || name == typeAny || name == typeJSON || name == typeRaw)
}
