package srclient

import (
	"fmt"
	"net/http"

	"github.com/dovetail-dev/dovetail/serde"
)

// Code is a registry error code. It is an error so that errors.Is can look for
// it:
//
//	if errors.Is(err, srclient.SubjectNotFound) { … }
type Code int

func (c Code) Error() string { return fmt.Sprintf("registry error code %d", int(c)) }

// Error codes of the registry; the first three digits are the HTTP status.
const (
	SubjectNotFound              Code = 40401
	VersionNotFound              Code = 40402
	SchemaNotFound               Code = 40403
	SubjectSoftDeleted           Code = 40404
	SubjectNotSoftDeleted        Code = 40405
	VersionSoftDeleted           Code = 40406
	VersionNotSoftDeleted        Code = 40407
	SubjectLevelConfigNotFound   Code = 40408
	SubjectLevelModeNotFound     Code = 40409
	AssociationNotFound          Code = 40410
	KeyNotFound                  Code = 40470
	KeyNotSoftDeleted            Code = 40471
	KeyParentDeleted             Code = 40472
	IncompatibleSchema           Code = 40901
	AssociationExistsForResource Code = 40903
	AssociationExistsForSubject  Code = 40904
	StrongAssociationExists      Code = 40905
	NoActiveVersion              Code = 40907
	AssociationFrozen            Code = 40908
	KeyExists                    Code = 40971
	TooManyKeys                  Code = 40972
	KMSDenied                    Code = 40370
	InvalidSchema                Code = 42201
	InvalidVersion               Code = 42202
	InvalidCompatibilityLevel    Code = 42203
	InvalidMode                  Code = 42204
	OperationNotPermitted        Code = 42205
	ReferenceExists              Code = 42206
	IDDoesNotMatch               Code = 42207
	InvalidSubject               Code = 42208
	SchemaTooLarge               Code = 42209
	InvalidRuleSet               Code = 42210
	ContextNotEmpty              Code = 42211
	InvalidAssociation           Code = 42212
	InvalidKey                   Code = 42271
	KeyHasDEKs                   Code = 42272
	StoreFailure                 Code = 50001
	StoreTimeout                 Code = 50002
	ForwardingFailed             Code = 50003
	LeaderUnknown                Code = 50004
	DEKGenerationFailed          Code = 50070

	// UnreadableAnswer is the client's own: the body of an error answer was
	// not that of a registry.
	UnreadableAnswer Code = 50005
)

// Error is an answer that is no success.
type Error struct {
	Status  int    // HTTP status
	Code    Code   // of the registry; UnreadableAnswer if the body had none
	Message string // of the registry
	Method  string
	URL     string // without credentials and query
}

func (e *Error) Error() string {
	return fmt.Sprintf("srclient: %s %s: %d: %s (code %d)", e.Method, e.URL, e.Status, e.Message, int(e.Code))
}

// Is matches a Code, and the causes that package serde branches on.
func (e *Error) Is(target error) bool {
	switch target {
	case serde.ErrNotFound:
		return e.Status == http.StatusNotFound
	case serde.ErrRejected:
		return e.Status == http.StatusConflict || e.Status == http.StatusUnprocessableEntity
	case serde.ErrUnavailable:
		return retryable(e.Status)
	}
	c, ok := target.(Code)
	return ok && c == e.Code
}

// retryable reports whether a status asks for another try.
func retryable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// noAnswer is a request that got none.
type noAnswer struct {
	method, url string
	err         error
}

func (e *noAnswer) Error() string {
	return fmt.Sprintf("srclient: %s %s: no answer: %v", e.method, e.url, e.err)
}

func (e *noAnswer) Unwrap() error { return e.err }

func (e *noAnswer) Is(target error) bool { return target == serde.ErrUnavailable }
