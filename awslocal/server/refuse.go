package server

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/eksauth/eksauth/awsquery"
	"github.com/eksauth/eksauth/internal/awsjson"
)

// refuseService answers for a service that is not here.
func (s *Server) refuseService(w http.ResponseWriter, r *http.Request, service string) {
	s.refuse(w, r, service, fmt.Sprintf("The local AWS has STS, IAM and EKS; it does not have the service %s.", awsquery.Clip(service)))
}

// refusePath answers for a path that no API here has.
func (s *Server) refusePath(w http.ResponseWriter, r *http.Request, service string) {
	s.refuse(w, r, service, fmt.Sprintf("The local AWS does not have %s %s.", awsquery.Clip(r.Method), awsquery.Clip(r.URL.Path)))
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, service, message string) {
	s.log.LogAttrs(r.Context(), slog.LevelWarn, "request refused",
		slog.String("service", awsquery.Clip(service)), slog.String("method", awsquery.Clip(r.Method)), slog.String("path", awsquery.Clip(r.URL.Path)),
		slog.String("reason", message))
	e := &awsquery.Error{Code: "UnknownOperationException", Status: http.StatusNotFound, Message: message}
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
func answerError(w http.ResponseWriter, r *http.Request, service string, e *awsquery.Error) {
	id := awsquery.NewRequestID()
	var body []byte
	switch shapeOf(r, service) {
	case s3Shape:
		body = xmlError("<Error>", e, "<RequestId>"+id+"</RequestId></Error>")
	case ec2Shape:
		body = xmlError("<Response><Errors><Error>", e, "</Error></Errors><RequestID>"+id+"</RequestID></Response>")
	case queryShape:
		body = xmlError("<ErrorResponse><Error><Type>"+fault(e.Status)+"</Type>", e, "</Error><RequestId>"+id+"</RequestId></ErrorResponse>")
	default:
		awsjson.Refuse(w, id, e)
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

func xmlError(before string, e *awsquery.Error, after string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + before + "<Code>")
	xml.EscapeText(&b, []byte(e.Code)) // a bytes.Buffer does not fail
	b.WriteString("</Code><Message>")
	xml.EscapeText(&b, []byte(e.Message))
	b.WriteString("</Message>" + after)
	return b.Bytes()
}
