package awslocal

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
)

// apiError is a refusal as a client sees it.
type apiError struct {
	Code    string
	Status  int // of HTTP
	Message string
}

// refuseService answers for a service that is not here.
func (s *Server) refuseService(w http.ResponseWriter, r *http.Request, service string) {
	s.refuse(w, r, service, fmt.Sprintf("The local AWS has STS and EKS; it does not have the service %s.", clip(service)))
}

// refusePath answers for a path that no API here has.
func (s *Server) refusePath(w http.ResponseWriter, r *http.Request, service string) {
	s.refuse(w, r, service, fmt.Sprintf("The local AWS does not have %s %s.", clip(r.Method), clip(r.URL.Path)))
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, service, message string) {
	s.log.LogAttrs(r.Context(), slog.LevelWarn, "request refused",
		slog.String("service", clip(service)), slog.String("method", clip(r.Method)), slog.String("path", clip(r.URL.Path)),
		slog.String("reason", message))
	e := apiError{"UnknownOperationException", http.StatusNotFound, message}
	switch shapeOf(r, service) {
	case queryShape, ec2Shape:
		e.Code, e.Status = "InvalidAction", http.StatusBadRequest
	case s3Shape:
		e.Code, e.Status = "NotImplemented", http.StatusNotImplemented
	}
	answerError(w, r, service, e)
}

// shape is how the errors of a protocol look.
//
// Source: the Smithy specification, "AWS protocols": query, ec2Query, restXml
// (S3's own errors), restJson1 and awsJson.
type shape uint8

const (
	jsonShape shape = iota
	queryShape
	ec2Shape
	s3Shape
)

// shapeOf guesses the protocol that a client speaks.
func shapeOf(r *http.Request, service string) shape {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch {
	case service == "s3":
		return s3Shape
	case service == "ec2":
		return ec2Shape
	case strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded"), r.URL.Query().Has("Action"):
		return queryShape
	}
	return jsonShape
}

// answerError writes an error in the shape that the client can read.
func answerError(w http.ResponseWriter, r *http.Request, service string, e apiError) {
	id := newRequestID()
	var body []byte
	switch shapeOf(r, service) {
	case s3Shape:
		body = xmlError("<Error>", e, "<RequestId>"+id+"</RequestId></Error>")
	case ec2Shape:
		body = xmlError("<Response><Errors><Error>", e, "</Error></Errors><RequestID>"+id+"</RequestID></Response>")
	case queryShape:
		body = xmlError("<ErrorResponse><Error><Type>"+fault(e.Status)+"</Type>", e, "</Error><RequestId>"+id+"</RequestId></ErrorResponse>")
	default:
		writeJSONError(w, id, e)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/xml")
	header.Set("X-Amzn-Requestid", id)
	w.WriteHeader(e.Status)
	w.Write(body) // a caller that has gone away needs no answer
}

func fault(status int) string {
	if status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

func xmlError(before string, e apiError, after string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + before + "<Code>")
	xml.EscapeText(&b, []byte(e.Code)) // a bytes.Buffer does not fail
	b.WriteString("</Code><Message>")
	xml.EscapeText(&b, []byte(e.Message))
	b.WriteString("</Message>" + after)
	return b.Bytes()
}

// writeJSONError is the form of restJson1 (the header) and of awsJson (__type).
func writeJSONError(w http.ResponseWriter, id string, e apiError) {
	writeJSON(w, id, e.Status, e.Code, struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{e.Code, e.Message})
}

// writeJSON answers with a body; errorType is "" for a success.
func writeJSON(w http.ResponseWriter, id string, status int, errorType string, body any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		panic(fmt.Sprintf("an answer cannot be written as JSON: %v", err))
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Amzn-Requestid", id)
	if errorType != "" {
		header.Set("X-Amzn-Errortype", errorType)
	}
	w.WriteHeader(status)
	w.Write(b.Bytes()) // a caller that has gone away needs no answer
}

// clip bounds text of a caller's that is said back or logged.
func clip(s string) string {
	const limit = 256
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
