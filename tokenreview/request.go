package tokenreview

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxBody bounds a review: a token has at most 4 KiB, and audiences are few.
	maxBody = 64 << 10

	kind = "TokenReview"
	// v1 and v1beta1 look the same on the wire, so that one type does for both.
	v1      = "authentication.k8s.io/v1"
	v1beta1 = "authentication.k8s.io/v1beta1"
)

// review is what is read of a TokenReview. A status in the request, for
// example, is not: nobody may bring an answer along.
type review struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Token     string   `json:"token"`
		Audiences []string `json:"audiences"`
	} `json:"spec"`
}

// readReview reads a request, or says how to answer one that is no review.
func readReview(w http.ResponseWriter, r *http.Request) (review, *decision) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return badRequest(http.StatusMethodNotAllowed, "a TokenReview comes by POST, not %.20s", r.Method)
	}
	if t := r.Header.Get("Content-Type"); t != "" {
		if media, _, err := mime.ParseMediaType(t); err != nil || media != "application/json" {
			return badRequest(http.StatusUnsupportedMediaType, "the body's Content-Type is %.60q, not application/json", t)
		}
	}
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), maxBody)) + bytes.MinRead)
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		return unreadable(err)
	}
	// Keys in exact case, the last of two that are the same, and nothing behind the
	// document, as the API server itself reads.
	var rv review
	if err := json.Unmarshal(body.Bytes(), &rv, jsontext.AllowDuplicateNames(true)); err != nil {
		return badRequest(http.StatusBadRequest, "the body is not a TokenReview in JSON") // the parser's own words may hold parts of a token
	}
	switch {
	case rv.Kind != kind:
		return badRequest(http.StatusBadRequest, "the body's kind is %.60q, not %q", rv.Kind, kind)
	case rv.APIVersion != v1 && rv.APIVersion != v1beta1:
		return badRequest(http.StatusBadRequest, "the apiVersion %.60q is not known; known: %s, %s", rv.APIVersion, v1, v1beta1)
	}
	return rv, nil
}

func unreadable(err error) (review, *decision) {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return badRequest(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", maxBody)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badRequest(http.StatusBadRequest, "the body ends too early")
	}
	return badRequest(http.StatusBadRequest, "the body cannot be read")
}

func badRequest(status int, format string, args ...any) (review, *decision) {
	return review{}, &decision{reason: BadRequest, status: status, message: fmt.Sprintf(format, args...)}
}
