package sts

import (
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/sigv4"
)

func TestMaxSessionEndsSessionsOfBothKinds(t *testing.T) {
	t.Parallel()
	w := newPodWorld(t)
	w.handler.MaxSession = 10*time.Second + time.Millisecond
	_, pod := w.webSession(t, w.web(t))
	person := w.session(t, ada(), roleARN)
	for name, c := range map[string]sigv4.Credentials{"web identity": pod, "user": person} {
		session, _, err := w.handler.Auth.Sessions.Open(c.SessionToken, c.AccessKeyID)
		if err != nil {
			t.Fatal(err)
		}
		if life := session.Expires.Sub(session.Issued); life != 10*time.Second {
			t.Errorf("%s: the session lasts %v", name, life)
		}
		if got := w.call(t, c, whoAmI); got.status != 200 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	w.advance(11 * time.Second)
	for _, c := range []sigv4.Credentials{pod, person} {
		refused(t, w.call(t, c, whoAmI), 403, "ExpiredToken", "The security token included in the request is expired")
	}
}

func TestMaxSessionIsToldAndNeverLengthens(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 7, 4, 50, 999, time.UTC)
	for limit, want := range map[time.Duration]string{
		0:                                 "2026-11-23T07:19:50Z",
		20 * time.Second:                  "2026-11-23T07:05:10Z",
		900*time.Second - time.Nanosecond: "2026-11-23T07:19:49Z",
		time.Hour:                         "2026-11-23T07:19:50Z",
	} {
		w := newWorld(t)
		w.handler.MaxSession = limit
		w.handler.Auth.Now = func() time.Time { return now }
		got := w.do(sign(t, post(assume("DurationSeconds", "900")), ada(), region, now))
		if got.status != 200 || !strings.Contains(got.body, "<Expiration>"+want+"</Expiration>") {
			t.Errorf("%v: %d %s, want %s", limit, got.status, got.body, want)
		}
	}
}
