package iamapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/eksauth/eksauth/awsquery"
)

// Errors of IAM, in its words.
//
// Source: botocore's model of IAM, and answers of the real service.

func errNoSuch(format string, args ...any) error {
	return &awsquery.Error{Code: "NoSuchEntity", Status: http.StatusNotFound, Message: clipped(format, args)}
}

// errNoSuchNamed is for a user, a role or a group.
func errNoSuchNamed(kind, name string) error {
	return errNoSuch("The %s with name %s cannot be found.", kind, name)
}

func errExists(format string, args ...any) error {
	return &awsquery.Error{Code: "EntityAlreadyExists", Status: http.StatusConflict, Message: clipped(format, args)}
}

func errDeleteConflict(format string, args ...any) error {
	return &awsquery.Error{Code: "DeleteConflict", Status: http.StatusConflict, Message: clipped(format, args)}
}

func errLimit(format string, args ...any) error {
	return &awsquery.Error{Code: "LimitExceeded", Status: http.StatusConflict, Message: clipped(format, args)}
}

func errInvalidInput(format string, args ...any) error {
	return &awsquery.Error{Code: "InvalidInput", Status: http.StatusBadRequest, Message: clipped(format, args)}
}

func errMalformedPolicy(format string, args ...any) error {
	return &awsquery.Error{Code: "MalformedPolicyDocument", Status: http.StatusBadRequest, Message: clipped(format, args)}
}

func clipped(format string, args []any) string {
	return strings.ToValidUTF8(awsquery.Clip(fmt.Sprintf(format, args...)), "\uFFFD")
}
