package sts

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/eksauth/eksauth/awsquery"
)

const (
	apiVersion   = "2011-06-15"
	xmlNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"
)

// Error is a refusal in AWS's words.
type Error = awsquery.Error

// element is a named value of an answer.
type element = awsquery.Element

// request is one call of the API.
type request struct {
	awsquery.Request
	at     time.Time
	caller Caller      // set once the signature is verified
	about  []slog.Attr // what the log should say in any case
	notes  []slog.Attr // what the log should say of a success
}

func newRequest(r *http.Request, at time.Time) *request {
	return &request{Request: awsquery.NewRequest(r), at: at}
}
