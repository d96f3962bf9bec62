package registry

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Code is an error code of the REST API. Its first three digits are the HTTP
// status.
type Code int

// Codes that clients branch on.
const (
	CodeSubjectNotFound        Code = 40401
	CodeVersionNotFound        Code = 40402
	CodeSchemaNotFound         Code = 40403
	CodeSubjectSoftDeleted     Code = 40404
	CodeSubjectNotSoftDeleted  Code = 40405
	CodeVersionSoftDeleted     Code = 40406
	CodeVersionNotSoftDeleted  Code = 40407
	CodeConfigNotFound         Code = 40408
	CodeModeNotFound           Code = 40409
	CodeAssociationNotFound    Code = 40410
	CodeIncompatible           Code = 40901
	CodeAssociationForResource Code = 40903
	CodeAssociationForSubject  Code = 40904
	CodeStrongAssociation      Code = 40905
	CodeNoActiveVersion        Code = 40907
	CodeAssociationFrozen      Code = 40908
	CodeInvalidSchema          Code = 42201
	CodeInvalidVersion         Code = 42202
	CodeInvalidLevel           Code = 42203
	CodeInvalidMode            Code = 42204
	CodeNotPermitted           Code = 42205
	CodeReferenceExists        Code = 42206
	CodeIDMismatch             Code = 42207
	CodeInvalidSubject         Code = 42208
	CodeTooLarge               Code = 42209
	CodeInvalidRuleSet         Code = 42210
	CodeContextNotEmpty        Code = 42211
	CodeInvalidAssociation     Code = 42212
	CodeStore                  Code = 50001
	CodeStoreTimeout           Code = 50002

	CodeKMSDenied         Code = 40370
	CodeKeyNotFound       Code = 40470
	CodeKeyNotSoftDeleted Code = 40471
	CodeKeyParentDeleted  Code = 40472
	CodeKeyExists         Code = 40971
	CodeTooManyKeys       Code = 40972
	CodeInvalidKey        Code = 42271
	CodeReferencedKey     Code = 42272
	CodeKeyGeneration     Code = 50070
)

// Status returns the HTTP status of c.
func (c Code) Status() int {
	for c >= 1000 {
		c /= 10
	}
	return int(c)
}

// Error is what the registry says instead of an answer. Every sentence has one
// constructor below.
type Error struct {
	Code    Code
	Message string
	Cause   error // what went wrong underneath; may be nil, never shown to clients

	// Incompatible holds the findings of a refusal with CodeIncompatible.
	Incompatible *Verdict
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Message, int(e.Code)) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// CodeOf returns the code of err, 0 if it has none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func newError(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

func errSubjectNotFound(s schema.Subject) *Error {
	return newError(CodeSubjectNotFound, "Subject '%s' not found.", s)
}

func errVersionNotFound(v string) *Error {
	return newError(CodeVersionNotFound, "Version %s not found.", v)
}

func errSchemaNotFound() *Error { return newError(CodeSchemaNotFound, "Schema not found") }

func errIDNotFound(id schema.ID) *Error {
	return newError(CodeSchemaNotFound, "Schema %d not found", id)
}

func errGUIDNotFound(guid string) *Error {
	return newError(CodeSchemaNotFound, "Schema %s not found", guid)
}

func errSubjectSoftDeleted(s schema.Subject) *Error {
	return newError(CodeSubjectSoftDeleted, "Subject '%s' was soft deleted.Set permanent=true to delete permanently", s)
}

func errSubjectNotSoftDeleted(s schema.Subject) *Error {
	return newError(CodeSubjectNotSoftDeleted, "Subject '%s' was not deleted first before being permanently deleted", s)
}

func errVersionSoftDeleted(s schema.Subject, v schema.Version) *Error {
	return newError(CodeVersionSoftDeleted, "Subject '%s' Version %d was soft deleted.Set permanent=true to delete permanently", s, v)
}

func errVersionNotSoftDeleted(s schema.Subject, v schema.Version) *Error {
	return newError(CodeVersionNotSoftDeleted, "Subject '%s' Version %d was not deleted first before being permanently deleted", s, v)
}

func errConfigNotFound(s schema.Subject) *Error {
	return newError(CodeConfigNotFound, "Subject '%s' does not have subject-level compatibility configured", s)
}

func errModeNotFound(s schema.Subject) *Error {
	return newError(CodeModeNotFound, "Subject '%s' does not have subject-level mode configured", s)
}

func errAssociationNotFound(resource string) *Error {
	return newError(CodeAssociationNotFound, "Association for '%s' not found.", resource)
}

func errAssociationForSubject(s schema.Subject) *Error {
	return newError(CodeAssociationForSubject, "An association of subject '%s' exists.", s)
}

func errIncompatible(s schema.Subject, v *Verdict) *Error {
	e := newError(CodeIncompatible, "Schema being registered is incompatible with an earlier schema for subject \"%s\", details: [%s]",
		s, strings.Join(v.Messages, ", "))
	e.Incompatible = v
	return e
}

func errInvalidSchema(shown string, cause error) *Error {
	e := newError(CodeInvalidSchema, "Invalid schema %s, details: %s", shown, bearable(cause.Error()))
	e.Cause = cause
	return e
}

func errEmptySchema() *Error { return newError(CodeInvalidSchema, "Empty schema") }

func errNotNextVersion() *Error {
	return newError(CodeInvalidSchema, "Version is not one more than previous version")
}

func errInvalidVersion(v string) *Error {
	return newError(CodeInvalidVersion, "The specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"", v)
}

func errInvalidLevel() *Error {
	return newError(CodeInvalidLevel, "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive")
}

func errInvalidPolicy(p string) *Error {
	return newError(CodeInvalidLevel, "Invalid compatibility policy '%s'. Valid values are strict and lenient", p)
}

func errInvalidMode() *Error {
	return newError(CodeInvalidMode, "Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD.")
}

func errNotPermitted(format string, args ...any) *Error {
	return newError(CodeNotPermitted, format, args...)
}

func errReadOnly(s schema.Subject) *Error {
	c, name := s.Split()
	return errNotPermitted("Subject %s in context %s is in read-only mode", name, c)
}

func errNotImport(s schema.Subject) *Error {
	c, name := s.Split()
	return errNotPermitted("Subject %s in context %s is not in import mode", name, c)
}

func errNotReadWrite(s schema.Subject) *Error {
	c, name := s.Split()
	return errNotPermitted("Subject %s in context %s is not in read-write mode", name, c)
}

func errReferenceExists(s schema.Subject, v schema.Version) *Error {
	return newError(CodeReferenceExists, "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=%s,version=%d}.", s, v)
}

func errIDMismatch(asked, stored schema.ID) *Error {
	return newError(CodeIDMismatch, "Schema already registered with id %d instead of input id %d", stored, asked)
}

func errInvalidSubject(s schema.Subject) *Error {
	return newError(CodeInvalidSubject, "The specified subject '%s' is not a valid.", s)
}

func errTooLarge(detail string) *Error {
	return newError(CodeTooLarge, "Register operation failed: schema is too large: %s", detail)
}

func errInvalidRuleSet(format string, args ...any) *Error {
	return newError(CodeInvalidRuleSet, "Invalid rule set: "+format, args...)
}

func errContextNotEmpty(c schema.Context) *Error {
	return newError(CodeContextNotEmpty, "The specified context '%s' is not empty.", c)
}

func errInvalidAssociation(property, detail string) *Error {
	return newError(CodeInvalidAssociation, "The association specified an invalid value for property: '%s', detail: %s", property, detail)
}

func errStore(doing string, cause error) *Error {
	e := newError(CodeStore, "Error while %s: %s", doing, cause)
	e.Cause = cause
	return e
}

func errStoreTimeout(doing string, cause error) *Error {
	e := newError(CodeStoreTimeout, "Timed out while %s; it is not known whether it took effect", doing)
	e.Cause = cause
	return e
}

func errKeyNotFound(key string) *Error {
	return newError(CodeKeyNotFound, "Key '%s' not found.", key)
}

func errKeyNotSoftDeleted(key string) *Error {
	return newError(CodeKeyNotSoftDeleted, "Key '%s' was not deleted first before being permanently deleted", key)
}

func errKeyParentDeleted(kek string) *Error {
	return newError(CodeKeyParentDeleted, "Key '%s' must be undeleted first", kek)
}

func errKeyExists(key string) *Error {
	return newError(CodeKeyExists, "Key '%s' already exists with other content", key)
}

func errTooManyKeys(limit int) *Error {
	return newError(CodeTooManyKeys, "There are %d keys already, which is the limit", limit)
}

func errInvalidKey(property, detail string) *Error {
	return newError(CodeInvalidKey, "Invalid key: '%s' %s", property, detail)
}

func errReferencedKey(kek string) *Error {
	return newError(CodeReferencedKey, "Key '%s' still has data keys; delete those first", kek)
}

// errKMSDenied does not show what the KMS said: it may tell of things that a
// client should not know.
func errKMSDenied(kek, doing string, cause error) *Error {
	e := newError(CodeKMSDenied, "The KMS of key '%s' could not %s", kek, doing)
	e.Cause = cause
	return e
}

func errKeyGeneration(kek string, cause error) *Error {
	e := newError(CodeKeyGeneration, "A data key for key '%s' could not be generated", kek)
	e.Cause = cause
	return e
}

// ErrNoMode is the answer to a request for a mode that names none.
func ErrNoMode() *Error { return errInvalidMode() }
