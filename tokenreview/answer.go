package tokenreview

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	mathrand "math/rand/v2"
	"net/http"
	"strconv"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The keys of userInfo.extra. Audit pipelines read them; they are those of
// aws-iam-authenticator and of EKS.
const (
	extraARN          = "arn"
	extraCanonicalARN = "canonicalArn"
	extraSessionName  = "sessionName"
	extraAccessKeyID  = "accessKeyId"
	extraPrincipalID  = "principalId"
	// extraQualifiedPrincipalID is the same under a name that no other
	// authenticator has.
	extraQualifiedPrincipalID = "sigs.k8s.io/aws-iam-authenticator/principalId"

	uidPrefix = "aws-iam-authenticator:"
)

// newCorrelationID ties an answer to its line in the log.
func newCorrelationID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (Go 1.24)
	return hex.EncodeToString(b[:])
}

func (h *Handler) answer(w http.ResponseWriter, d *decision) {
	if d.status != 0 {
		if d.waits() {
			// Not the same for all, so that they don't come back at once.
			w.Header().Set("Retry-After", strconv.Itoa(1+mathrand.IntN(3)))
		}
		http.Error(w, d.message+" (correlation id "+d.id+")", d.status)
		return
	}
	body, err := json.Marshal(authenticationv1.TokenReview{
		TypeMeta: metav1.TypeMeta{APIVersion: d.apiVersion, Kind: kind},
		Status:   h.status(d),
	})
	if err != nil { // it holds nothing but texts
		http.Error(w, "internal error (correlation id "+d.id+")", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body) // who does not read it is not let in
}

// waits reports whether the API server should wait and ask again; see deny.
func (d *decision) waits() bool {
	return d.status == http.StatusTooManyRequests || d.reason == NotReady
}

// status is the status of the answer.
//
// A refusal always has an error: kube-apiserver remembers "authenticated: false"
// without one for --authentication-token-webhook-cache-ttl, two minutes by
// default, but nothing that has one (k8s.io/apiserver v0.37.2: the webhook
// authenticator turns status.error into an error, and the cache around it is
// made with cacheErrs false). Whoever was just added to the mappings would
// otherwise have to wait. The text goes no further than the API server's log,
// and still tells only the kind of fault.
func (h *Handler) status(d *decision) authenticationv1.TokenReviewStatus {
	if !d.allowed {
		return authenticationv1.TokenReviewStatus{Error: "refused: " + string(d.reason) + " (correlation id " + d.id + ")"}
	}
	return authenticationv1.TokenReviewStatus{Authenticated: true, User: h.user(d), Audiences: d.audiences}
}

func (h *Handler) user(d *decision) authenticationv1.UserInfo {
	id, m := d.identity, d.mapping
	u := authenticationv1.UserInfo{Username: m.Username, Groups: m.Groups}
	if h.scrubbed(id.AccountID) {
		u.UID = uidPrefix + "administrative:" + m.Username
		return u
	}
	u.UID = uidPrefix + id.AccountID + ":" + id.UserID
	u.Extra = map[string]authenticationv1.ExtraValue{
		extraARN:                  {id.String()},
		extraCanonicalARN:         {id.Canonical()},
		extraSessionName:          {id.Session},
		extraAccessKeyID:          {id.AccessKeyID},
		extraPrincipalID:          {id.UserID},
		extraQualifiedPrincipalID: {id.UserID},
	}
	return u
}
