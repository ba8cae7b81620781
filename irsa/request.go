package irsa

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"sync"

	"github.com/go-json-experiment/json"
)

const (
	// maxBody bounds a review: two objects of the 3 MiB that kube-apiserver takes,
	// and a little around them.
	maxBody = 7 << 20
	// keepBody is the largest buffer that is kept for the next review.
	keepBody = 64 << 10

	kind       = "AdmissionReview"
	apiVersion = "admission.k8s.io/v1"
)

// review is what is read of an AdmissionReview (admission.k8s.io/v1).
type review struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Request    *request `json:"request"`
}

type request struct {
	envelope
	Object    *Pod `json:"object"`
	OldObject *Pod `json:"oldObject"`
}

// envelope is what any request has, whatever its objects are.
type envelope struct {
	UID         string `json:"uid"`
	Operation   string `json:"operation"`
	SubResource string `json:"subResource"`
	Resource    struct {
		Group    string `json:"group"`
		Resource string `json:"resource"`
	} `json:"resource"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	DryRun    bool   `json:"dryRun"`
}

// concerns a pod that is created, or one that gets an ephemeral container.
func (r *envelope) isCreation() bool {
	return r.isPod() && r.Operation == "CREATE" && r.SubResource == ""
}

func (r *envelope) isDebugging() bool {
	return r.isPod() && r.Operation == "UPDATE" && r.SubResource == "ephemeralcontainers"
}

func (r *envelope) isPod() bool { return r.Resource.Group == "" && r.Resource.Resource == "pods" }

// badRequest is a request that is no review, and how to answer it.
type badRequest struct {
	status  int
	message string
}

func (e *badRequest) Error() string { return e.message }

func bad(status int, format string, args ...any) error {
	return &badRequest{status, fmt.Sprintf(format, args...)}
}

// bodies are buffers to read into: a review is some kilobytes, and thousands may
// come in a second.
type bodies struct{ pool sync.Pool }

func (b *bodies) get() *bytes.Buffer {
	if buffer, ok := b.pool.Get().(*bytes.Buffer); ok {
		return buffer
	}
	return &bytes.Buffer{}
}

func (b *bodies) put(buffer *bytes.Buffer) {
	if buffer.Cap() <= keepBody {
		buffer.Reset()
		b.pool.Put(buffer)
	}
}

// read reads a review, or says what is wrong with it.
func (b *bodies) read(w http.ResponseWriter, r *http.Request) (*request, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, bad(http.StatusMethodNotAllowed, "an AdmissionReview comes by POST, not %.20s", r.Method)
	}
	if t := r.Header.Get("Content-Type"); t != "application/json" {
		if media, _, err := mime.ParseMediaType(t); err != nil || media != "application/json" {
			return nil, bad(http.StatusUnsupportedMediaType, "the body's Content-Type is %.60q, not application/json", t)
		}
	}
	body := b.get()
	defer b.put(body)
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, bad(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", maxBody)
		}
		return nil, bad(http.StatusBadRequest, "the body cannot be read")
	}
	return parseReview(body.Bytes())
}

// parseReview reads as kube-apiserver does. The parser's own words may hold parts
// of the pod, and stay here.
func parseReview(body []byte) (*request, error) {
	var rv review
	if err := json.Unmarshal(body, &rv, lastNameWins); err != nil && !readEnvelope(body, &rv) {
		return nil, bad(http.StatusBadRequest, "the body is not an AdmissionReview in JSON")
	}
	switch {
	case rv.Kind != kind:
		return nil, bad(http.StatusBadRequest, "the body's kind is %.60q, not %q", rv.Kind, kind)
	case rv.APIVersion != apiVersion:
		return nil, bad(http.StatusBadRequest, "the apiVersion %.60q is not known; known: %s", rv.APIVersion, apiVersion)
	case rv.Request == nil || rv.Request.UID == "":
		return nil, bad(http.StatusBadRequest, "the review has no request, or the request no uid")
	}
	return rv.Request, nil
}

// readEnvelope reads a review whose objects cannot be read, because they are none
// of ours, or because their fields are not what they should be. There are no
// objects in it then.
func readEnvelope(body []byte, rv *review) bool {
	var bare struct {
		APIVersion string    `json:"apiVersion"`
		Kind       string    `json:"kind"`
		Request    *envelope `json:"request"`
	}
	if json.Unmarshal(body, &bare, lastNameWins) != nil {
		return false
	}
	*rv = review{APIVersion: bare.APIVersion, Kind: bare.Kind}
	if bare.Request != nil {
		rv.Request = &request{envelope: *bare.Request}
	}
	return true
}
