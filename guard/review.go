package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

const (
	// maxBody bounds a review: two objects of the 3 MiB that kube-apiserver takes,
	// and a little around them.
	maxBody = 7 << 20

	// The API server asks for warnings of at most 256 bytes, and cuts them off
	// where they come to more than 4096. A refusal goes to somebody's terminal.
	maxWarning  = 256
	maxWarnings = 12
	maxProblems = 20

	kind       = "AdmissionReview"
	apiVersion = "admission.k8s.io/v1"
)

// request is what is read of an AdmissionReview's request.
type request struct {
	UID       string `json:"uid"`
	Operation string `json:"operation"`
	Resource  struct {
		Group    string `json:"group"`
		Resource string `json:"resource"`
	} `json:"resource"`
	SubResource string  `json:"subResource"`
	Namespace   string  `json:"namespace"`
	Name        string  `json:"name"`
	DryRun      bool    `json:"dryRun"`
	UserInfo    User    `json:"userInfo"`
	Object      *object `json:"object"`
	OldObject   *object `json:"oldObject"`
}

type object struct {
	Metadata struct {
		Name              string            `json:"name"`
		Annotations       map[string]string `json:"annotations"`
		CreationTimestamp time.Time         `json:"creationTimestamp"`
	} `json:"metadata"`
	Data map[string]string `json:"data"` // of a ConfigMap
	Spec struct {          // of an IAMIdentityMapping
		ARN      string   `json:"arn"`
		Username string   `json:"username"`
		Groups   []string `json:"groups"`
	} `json:"spec"`
}

// isConfigMap reports whether kube-system/aws-auth is edited.
func (r *request) isConfigMap() bool {
	return r.Resource.Group == "" && r.Resource.Resource == "configmaps" && r.SubResource == "" &&
		r.Namespace == "kube-system" && r.Name == "aws-auth"
}

// isIdentityMapping reports whether a custom resource is edited.
func (r *request) isIdentityMapping() bool {
	return r.Resource.Group == "iamauthenticator.k8s.aws" && r.Resource.Resource == "iamidentitymappings" && r.SubResource == ""
}

// badRequest is what is no review, and how to answer it.
type badRequest struct {
	status  int
	message string
}

func (e *badRequest) Error() string { return e.message }

func bad(status int, format string, args ...any) *badRequest {
	return &badRequest{status, fmt.Sprintf(format, args...)}
}

// read reads a review. Errors hold nothing of it.
func read(w http.ResponseWriter, r *http.Request) (*request, *badRequest) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, bad(http.StatusMethodNotAllowed, "an AdmissionReview comes by POST, not %.20s", r.Method)
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, bad(http.StatusUnsupportedMediaType, "the body's Content-Type is not application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, bad(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", maxBody)
	case err != nil:
		return nil, bad(http.StatusBadRequest, "the body cannot be read")
	}
	return parse(body)
}

func parse(body []byte) (*request, *badRequest) {
	var review struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Request    *request `json:"request"`
	}
	switch err := json.Unmarshal(body, &review); {
	case err != nil:
		return nil, bad(http.StatusBadRequest, "the body is not an AdmissionReview in JSON")
	case review.Kind != kind || review.APIVersion != apiVersion:
		return nil, bad(http.StatusBadRequest, "the body is a %.60q of %.60q, not a %s of %s", review.Kind, review.APIVersion, kind, apiVersion)
	case review.Request == nil || review.Request.UID == "":
		return nil, bad(http.StatusBadRequest, "the review has no request, or the request no uid")
	case review.Request.Object == nil && review.Request.OldObject == nil:
		return nil, bad(http.StatusBadRequest, "the request has no object")
	}
	if r := review.Request; r.Name == "" && r.OldObject != nil {
		r.Name = r.OldObject.Metadata.Name // the deletion of a collection has none
	}
	return review.Request, nil
}

// response is the answer's AdmissionReview.
func response(req *request, a answer) any {
	type status struct {
		Status  string `json:"status"`
		Code    int    `json:"code"`
		Reason  string `json:"reason"`
		Message string `json:"message"`
	}
	type result struct {
		UID              string            `json:"uid"`
		Allowed          bool              `json:"allowed"`
		Status           *status           `json:"status,omitempty"`
		Warnings         []string          `json:"warnings,omitempty"`
		AuditAnnotations map[string]string `json:"auditAnnotations,omitempty"`
	}
	r := result{UID: req.UID, Allowed: a.outcome != Refused}
	warnings := a.verdict.Warnings
	switch a.outcome {
	case Refused:
		r.Status = &status{"Failure", http.StatusForbidden, "Forbidden", refusal(a.verdict.Problems)}
	case Overridden:
		var overridden []string
		for _, p := range a.verdict.Problems {
			overridden = append(overridden, "the guard was overridden: "+p.String())
		}
		warnings = append(overridden, warnings...)
		r.AuditAnnotations = map[string]string{"override": shorten(a.override, maxWarning)}
	}
	for _, warning := range warnings[:min(len(warnings), maxWarnings)] {
		r.Warnings = append(r.Warnings, shorten(warning, maxWarning))
	}
	return map[string]any{"kind": kind, "apiVersion": apiVersion, "response": r}
}

// refusal lists the problems, each on a line of its own, and the way past them.
func refusal(problems []Problem) string {
	var b strings.Builder
	for i, p := range problems {
		if i == maxProblems {
			fmt.Fprintf(&b, "and %d more\n", len(problems)-i)
			break
		}
		b.WriteString(shorten(p.String(), 4*maxWarning) + "\n")
	}
	b.WriteString("to do it all the same, set the annotation " + Override + " to the reason why, in the same edit")
	return b.String()
}

func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-len("…")], "") + "…"
}
