// Package awsjson writes the answers of the AWS APIs that speak JSON. It imports
// only awsquery, for what an error is.
package awsjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/eksauth/eksauth/awsquery"
)

// Refuse answers with an error, in the form of restJson1 (the header) and of
// awsJson (__type).
//
// Source: the Smithy specification, "AWS protocols".
func Refuse(w http.ResponseWriter, requestID string, e *awsquery.Error) {
	w.Header().Set("X-Amzn-Errortype", e.Code)
	Answer(w, requestID, e.Status, struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{e.Code, e.Message})
}

// Answer answers with a body. It panics if that cannot be written as JSON.
func Answer(w http.ResponseWriter, requestID string, status int, body any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		panic(fmt.Sprintf("an answer cannot be written as JSON: %v", err))
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Amzn-Requestid", requestID)
	w.WriteHeader(status)
	w.Write(b.Bytes()) // a caller that has gone away needs no answer
}
