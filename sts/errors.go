package sts

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

func errInternal(format string, args ...any) *Error {
	return &Error{
		Code: "InternalFailure", Status: http.StatusInternalServerError,
		Message: "The request processing has failed because of an unknown error, exception or failure.",
		Reason:  fmt.Sprintf(format, args...),
	}
}

// errHTTP is a request that cannot be read at all.
func errHTTP(format string, args ...any) *Error {
	return &Error{
		Code: "MalformedHttpRequestException", Status: http.StatusBadRequest,
		Message: fmt.Sprintf(format, args...),
	}
}

func errTooLarge(limit int64) *Error {
	return &Error{
		Code: "RequestEntityTooLargeException", Status: http.StatusRequestEntityTooLarge,
		Message: fmt.Sprintf("The request is larger than %d bytes", limit),
	}
}

func errMethod(method string) *Error {
	return &Error{
		Code: "MethodNotAllowed", Status: http.StatusMethodNotAllowed,
		Message: "The specified method is not allowed against this resource; use POST or GET",
		Reason:  "method " + clip(method),
	}
}

func errMissingAction() *Error {
	return &Error{
		Code: "MissingAction", Status: http.StatusBadRequest,
		Message: "The request is missing an action or a required parameter",
	}
}

func errAction(action, version string) *Error {
	if version == "" {
		version = "NO_VERSION_SPECIFIED"
	}
	return &Error{
		Code: "InvalidAction", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("Could not find operation %s for version %s", clip(action), clip(version)),
	}
}

func errParameter(format string, args ...any) *Error {
	return &Error{Code: "InvalidParameterValue", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

func errValidation(format string, args ...any) *Error {
	return &Error{Code: "ValidationError", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// errRole is a RoleArn that names no role.
func errRole(message string, cause error) *Error {
	return &Error{Code: "ValidationError", Status: http.StatusBadRequest, Message: message, Reason: cause.Error()}
}

func errTooLong() *Error {
	return errValidation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
}

func errPackedTooLarge(session Session) *Error {
	message := "Packed size of session tags consumes more than 100% of allotted space."
	if session.Policy != "" {
		message = "Packed policy consumes more than 100% of allotted space, please use smaller policy."
	}
	return &Error{Code: "PackedPolicyTooLarge", Status: http.StatusBadRequest, Message: message}
}

func errDenied(message, reason string) *Error {
	return &Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: message, Reason: reason}
}

func errMissingToken() *Error {
	return &Error{
		Code: "MissingAuthenticationToken", Status: http.StatusForbidden,
		Message: "Request is missing Authentication Token",
	}
}

func errIncomplete(message string) *Error {
	return &Error{Code: "IncompleteSignature", Status: http.StatusBadRequest, Message: message}
}

// errToken covers every way in which a key or a token can be unknown, so that
// they cannot be told apart.
func errToken(format string, args ...any) *Error {
	return &Error{
		Code: "InvalidClientTokenId", Status: http.StatusForbidden,
		Message: "The security token included in the request is invalid.",
		Reason:  fmt.Sprintf(format, args...),
	}
}

func errExpired(format string, args ...any) *Error {
	return &Error{
		Code: "ExpiredToken", Status: http.StatusForbidden,
		Message: "The security token included in the request is expired",
		Reason:  fmt.Sprintf(format, args...),
	}
}

func errSignature(message, reason string) *Error {
	return &Error{Code: "SignatureDoesNotMatch", Status: http.StatusForbidden, Message: message, Reason: reason}
}

// clip bounds text of the caller's that is said back or logged.
func clip(s string) string {
	const limit = 1024
	runes := 0
	for i := range s {
		if runes++; runes > limit {
			return s[:i] + "…"
		}
	}
	return s
}
