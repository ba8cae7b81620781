package awsquery

import (
	"fmt"
	"net/http"
)

// Error is a refusal in AWS's words. Only Code and Message reach the caller;
// Reason is the whole truth and belongs in the log alone.
//
// Sources of codes, statuses and wording: botocore's model of STS, "Common
// errors" in AWS's API references, and answers of the real service.
type Error struct {
	Code    string
	Status  int // of HTTP
	Message string
	Reason  string // "" when Message says it all
}

// Error says what the caller may know.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// kind is AWS's word for whose fault it is.
func (e *Error) kind() string {
	if e.Status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

// Internal is a refusal because of a fault of our own; its reason is for the log.
func Internal(format string, args ...any) *Error {
	return &Error{
		Code: "InternalFailure", Status: http.StatusInternalServerError,
		Message: "The request processing has failed because of an unknown error, exception or failure.",
		Reason:  fmt.Sprintf(format, args...),
	}
}

// Malformed is a request that cannot be read at all.
func Malformed(format string, args ...any) *Error {
	return &Error{
		Code: "MalformedHttpRequestException", Status: http.StatusBadRequest,
		Message: fmt.Sprintf(format, args...),
	}
}

func tooLarge(limit int64) *Error {
	return &Error{
		Code: "RequestEntityTooLargeException", Status: http.StatusRequestEntityTooLarge,
		Message: fmt.Sprintf("The request is larger than %d bytes", limit),
	}
}

func methodNotAllowed(method string) *Error {
	return &Error{
		Code: "MethodNotAllowed", Status: http.StatusMethodNotAllowed,
		Message: "The specified method is not allowed against this resource; use POST or GET",
		Reason:  "method " + Clip(method),
	}
}

// MissingAction is a request that does not say what it wants.
func MissingAction() *Error {
	return &Error{
		Code: "MissingAction", Status: http.StatusBadRequest,
		Message: "The request is missing an action or a required parameter",
	}
}

// InvalidAction is a request for an operation that the API does not have.
func InvalidAction(action, version string) *Error {
	if version == "" {
		version = "NO_VERSION_SPECIFIED"
	}
	return &Error{
		Code: "InvalidAction", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("Could not find operation %s for version %s", Clip(action), Clip(version)),
	}
}

// InvalidParameter is a parameter that the operation cannot take.
func InvalidParameter(format string, args ...any) *Error {
	return &Error{Code: "InvalidParameterValue", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// Validation is a parameter, or several, of the wrong shape.
func Validation(format string, args ...any) *Error {
	return &Error{Code: "ValidationError", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// Clip bounds text of the caller's that is said back or logged.
func Clip(s string) string {
	const limit = 1024
	runes := 0
	for i := range s {
		if runes++; runes > limit {
			return s[:i] + "…"
		}
	}
	return s
}
