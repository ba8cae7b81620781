package drills

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// rounds is how often a service account is created and at once a pod of it.
func rounds() int {
	if n, err := strconv.Atoi(os.Getenv("EKSAUTH_DRILL_ROUNDS")); err == nil {
		return n
	}
	return 400
}

// A service account, and a pod of it a moment later: a webhook that waits for its
// watch would not know the annotation yet.
func (r *rig) race(t *testing.T) {
	var next, without, refused atomic.Int64
	began := time.Now()
	var l load
	l.began, l.stop = began, func() {}
	for range 4 {
		l.workers.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(rounds()) {
					return
				}
				name := fmt.Sprintf("race-%d", i)
				account := fmt.Sprintf(`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":%q,"annotations":{"eks.amazonaws.com/role-arn":%q}}}`, name, roleARN)
				if status, body, err := r.post(r.admin, "", "/api/v1/namespaces/apps/serviceaccounts", account); err != nil || status != http.StatusCreated {
					t.Errorf("%v %d %s", err, status, body)
					return
				}
				asked := time.Now()
				status, body, err := r.post(r.admin, "", "/api/v1/namespaces/apps/pods?dryRun=All", strings.Replace(pod, `"serviceAccountName":"app"`, fmt.Sprintf(`"serviceAccountName":%q`, name), 1))
				switch {
				case err != nil || status != http.StatusCreated:
					refused.Add(1)
				case !strings.Contains(string(body), roleARN):
					without.Add(1)
				}
				l.admissions.note(time.Since(asked), "")
			}
		})
	}
	l.workers.Wait()
	t.Logf("%d service accounts, and at once a pod of each (%s): %d without their role, %d refused\n  admissions %s",
		rounds(), time.Since(began).Round(100*time.Millisecond), without.Load(), refused.Load(), &l.admissions)
	if without.Load() != 0 || refused.Load() != 0 {
		t.Error("every pod should have its role")
	}
}
