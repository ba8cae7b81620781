package sts

import (
	"fmt"
	"net/http"

	"github.com/eksauth/eksauth/awsquery"
)

// errRole is a RoleArn that names no role.
func errRole(message string, cause error) *Error {
	return &Error{Code: "ValidationError", Status: http.StatusBadRequest, Message: message, Reason: cause.Error()}
}

func errTooLong() *Error {
	return awsquery.Validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
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
