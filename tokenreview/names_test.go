package tokenreview_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/tokenreview"
)

const nodeID = "i-0123456789abcdef0"

// naming is a NodeNames.
type naming func(ctx context.Context, id string) (string, error)

func (f naming) PrivateDNSName(ctx context.Context, id string) (string, error) { return f(ctx, id) }

// nodeRig is a rig for nodes, one of which signs in.
func nodeRig(t *testing.T, names awsauth.NodeNames) (*rig, string) {
	t.Helper()
	r := newRig(t, func(_ *rig, c *tokenreview.Config) { c.Names = names })
	r.update(t, map[string]string{"mapRoles": "- rolearn: " + roleARN + "\n  username: system:node:{{EC2PrivateDNSName}}\n  groups: [system:bootstrappers, system:nodes]\n"})
	node := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		identify(w, "arn:aws:sts::111122223333:assumed-role/awesome.role/"+nodeID, roleID+":"+nodeID)
	})
	r.sts.instead.Store(&node)
	return r, r.mint(t, session, cluster)
}

func TestANodeHasItsPrivateDNSName(t *testing.T) {
	t.Parallel()
	r, raw := nodeRig(t, naming(func(ctx context.Context, id string) (string, error) {
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > 10*time.Second || id != nodeID {
			return "", errors.New("no deadline, or another instance: " + id)
		}
		return "ip-10-0-0-1.ec2.internal", nil
	}))
	a := r.review(t, raw)
	if diff := cmp.Diff([]string{"system:bootstrappers", "system:nodes"}, a.Status.User.Groups); diff != "" || a.Status.User.Username != "system:node:ip-10-0-0-1.ec2.internal" {
		t.Errorf("%s %s", a.Text, diff)
	}
}

// What may go well in a moment is worth another try of the API server's; what is wrong
// with the instance is not.
func TestANodeWithoutAName(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		err    error
		status int
		retry  bool
		reason string
		text   string
	}{
		{"throttled", fmt.Errorf("%w: too many", awsauth.ErrNamesThrottled), 429, true, "ec2_throttled", "EC2 must not be asked more often now (correlation id "},
		{"unavailable", fmt.Errorf("%w: connection refused", awsauth.ErrNamesUnavailable), 504, false, "ec2_unavailable", "EC2 could not be asked (correlation id "},
		{"late", context.DeadlineExceeded, 504, false, "ec2_unavailable", "EC2 could not be asked (correlation id "},
		{"unknown", errors.New("EC2 knows no such instance"), 200, false, "template", "refused: template (correlation id "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r, raw := nodeRig(t, naming(func(context.Context, string) (string, error) { return "system:masters", tc.err }))
			for range 2 {
				a := r.review(t, raw)
				if a.HTTP != tc.status || (a.Retry != "") != tc.retry || a.Status.Authenticated || a.Status.User.Username != "" || !strings.Contains(a.Text, tc.text) {
					t.Fatalf("%d, Retry-After %q: %s", a.HTTP, a.Retry, a.Text)
				}
				if line := r.lastLine(t); line["reason"] != tc.reason || line["level"] != "WARN" || !strings.Contains(fmt.Sprint(line["error"]), nodeID+": "+tc.err.Error()) {
					t.Errorf("logged %v", line)
				}
			}
			if r.sts.asked.Load() != 1 {
				t.Errorf("STS was asked %d times for an identity that it proved", r.sts.asked.Load())
			}
		})
	}
}

func TestANodeThatWentAway(t *testing.T) {
	t.Parallel()
	r, raw := nodeRig(t, naming(func(ctx context.Context, _ string) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	req := httptest.NewRequestWithContext(ctx, "POST", "/", strings.NewReader(body("authentication.k8s.io/v1", raw)))
	time.AfterFunc(50*time.Millisecond, cancel)
	if a := r.do(t, req); a.HTTP != 503 || a.Retry != "" || r.lastLine(t)["reason"] != "canceled" {
		t.Errorf("%d %s %v", a.HTTP, a.Text, r.lastLine(t))
	}
}

// A fault there denies like one of ours.
func TestANamingThatPanics(t *testing.T) {
	t.Parallel()
	r, raw := nodeRig(t, naming(func(context.Context, string) (string, error) { panic("boom") }))
	if a := r.review(t, raw); a.HTTP != 200 || !strings.HasPrefix(a.Status.Error, "refused: internal") {
		t.Errorf("%d %s", a.HTTP, a.Text)
	}
}
