package service

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// requestError is a fault of the request itself.
type requestError struct {
	status  int
	message string
}

func (e *requestError) Error() string { return e.message }

// faultBody is the body of every answer that is no success.
type faultBody struct {
	Code     int    `json:"error_code"` // the HTTP status
	Message  string `json:"message"`
	Line     int    `json:"line,omitempty"`     // of a batch, from 1; blank lines count
	Path     string `json:"path,omitempty"`     // place in the document
	Position *int   `json:"position,omitempty"` // byte of the document or the payload, from 0
}

// describe maps an error to what a caller is told.
func describe(err error) faultBody {
	b := faultBody{Code: http.StatusInternalServerError, Message: err.Error()}
	var request *requestError
	var document *DocumentError
	var framing *frame.Error
	var message *MessageError
	var unsupported *UnsupportedError
	switch {
	case errors.As(err, &request):
		b.Code = request.status
	case errors.As(err, &document):
		b.Code, b.Path, b.Message = http.StatusUnprocessableEntity, document.Path, document.Reason
		if document.Pos >= 0 {
			b.Position = &document.Pos
		}
	case errors.As(err, &framing):
		b.Code = http.StatusUnprocessableEntity
	case errors.As(err, &message), errors.As(err, &unsupported):
		b.Code = http.StatusUnprocessableEntity
	case errors.Is(err, serde.ErrNotFound):
		b.Code = http.StatusNotFound
	case errors.Is(err, serde.ErrReferences), errors.Is(err, serde.ErrRejected):
		b.Code = http.StatusUnprocessableEntity
	case errors.Is(err, serde.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		b.Code = http.StatusServiceUnavailable
	}
	return b
}

func writeFault(rw http.ResponseWriter, err error) {
	b := describe(err)
	text, _ := json.Marshal(b)
	rw.Header().Set("Content-Type", mediaJSON)
	rw.WriteHeader(b.Code)
	_, _ = rw.Write(text)
}
