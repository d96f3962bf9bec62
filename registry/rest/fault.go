package rest

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/dovetail-dev/dovetail/registry"
)

// fault is an error of HTTP itself, before the registry was asked.
type fault struct {
	status  int
	message string
}

func (f *fault) Error() string { return f.message }

func badRequest(message string) error { return &fault{http.StatusBadRequest, message} }

// notFound is the answer to a path or query value of the wrong type.
func notFound() error { return &fault{http.StatusNotFound, "HTTP 404 Not Found"} }

func noBody() error {
	return &fault{http.StatusUnprocessableEntity, "The request needs a JSON body and has none"}
}

// describe returns status, code and message of an error.
func describe(err error) (status, code int, message string) {
	var e *registry.Error
	if errors.As(err, &e) {
		return e.Code.Status(), int(e.Code), e.Message
	}
	var f *fault
	if errors.As(err, &f) {
		return f.status, f.status, f.message
	}
	var route *echo.HTTPError
	if errors.As(err, &route) {
		return route.Code, route.Code, "HTTP " + strconv.Itoa(route.Code) + " " + http.StatusText(route.Code)
	}
	return http.StatusInternalServerError, http.StatusInternalServerError, "Internal Server Error"
}

// appendError appends the body of an error. explain adds what the registry
// found, for people.
func appendError(dst []byte, err error, explain bool) []byte {
	_, code, message := describe(err)
	dst = append(dst, `{"error_code":`...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	dst = append(dst, `,"message":`...)
	dst = registry.AppendString(dst, message)
	var e *registry.Error
	if explain && errors.As(err, &e) && e.Incompatible != nil {
		dst = append(dst, ',')
		dst = appendExplanations(dst, e.Incompatible)
	}
	return append(dst, '}')
}
