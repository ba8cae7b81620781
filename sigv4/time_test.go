package sigv4_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksauth/eksauth/sigv4"
)

func TestCheckTimeAtTheBounds(t *testing.T) {
	t.Parallel()
	signed := time.Date(2026, 11, 23, 7, 4, 50, 0, time.UTC)
	tests := []struct {
		name      string
		presigned bool
		expires   time.Duration
		now       time.Duration // after signed
		refused   bool
		notYet    bool
	}{
		{name: "signed, now", now: 0},
		{name: "signed, five minutes old", now: 5 * time.Minute},
		{name: "signed, five minutes old to the last of the second", now: 5*time.Minute + time.Second - 1},
		{name: "signed, a second older", now: 5*time.Minute + time.Second, refused: true},
		{name: "signed, five minutes ahead", now: -5 * time.Minute},
		{name: "signed, a second more ahead", now: -5*time.Minute - time.Second, refused: true, notYet: true},
		{name: "signed, more ahead by the least", now: -5*time.Minute - 1, refused: true, notYet: true},
		{name: "presigned, now", presigned: true, now: 0},
		{name: "presigned, fifteen minutes old", presigned: true, now: 15 * time.Minute},
		{name: "presigned, a second older", presigned: true, now: 15*time.Minute + time.Second, refused: true},
		{name: "presigned, five minutes ahead", presigned: true, now: -5 * time.Minute},
		{name: "presigned, a second more ahead", presigned: true, now: -5*time.Minute - time.Second, refused: true, notYet: true},
		{name: "presigned for no time, fifteen minutes old", presigned: true, expires: 0, now: 15 * time.Minute},
		{name: "presigned for a week, a second older", presigned: true, expires: sigv4.MaxExpires, now: 15*time.Minute + time.Second, refused: true},
		{name: "signed centuries ago", now: 1<<63 - 1, refused: true},
		{name: "signed centuries ahead", now: -1 << 63, refused: true, notYet: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := sigv4.Signature{Time: signed, Presigned: test.presigned, Expires: test.expires}
			// The zone of the clock is of no account.
			err := s.CheckTime(signed.Add(test.now).In(time.FixedZone("", -7*3600)))
			var refusal *sigv4.TimeError
			if got := errors.As(err, &refusal); got != test.refused {
				t.Fatalf("error = %v", err)
			}
			if refusal != nil && refusal.NotYet != test.notYet {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestTimeErrorIsInTheWordsOfAWS(t *testing.T) {
	t.Parallel()
	signed := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		signature sigv4.Signature
		now       time.Time
		want      string
	}{
		{
			sigv4.Signature{Time: signed}, signed.Add(time.Hour),
			"Signature expired: 20260101T000000Z is now earlier than 20260101T005500Z (20260101T010000Z - 5 min.)",
		},
		{
			sigv4.Signature{Time: signed, Presigned: true}, signed.Add(time.Hour),
			"Signature expired: 20260101T000000Z is now earlier than 20260101T004500Z (20260101T010000Z - 15 min.)",
		},
		{
			sigv4.Signature{Time: signed, Presigned: true}, signed.Add(-time.Hour),
			"Signature not yet current: 20260101T000000Z is still later than 20251231T230500Z (20251231T230000Z + 5 min.)",
		},
	}
	for _, test := range tests {
		err := test.signature.CheckTime(test.now.In(time.FixedZone("", 3600)))
		if err == nil {
			t.Fatalf("no error, want %s", test.want)
		}
		if diff := cmp.Diff(test.want, err.Error()); diff != "" {
			t.Error(diff)
		}
	}
}
