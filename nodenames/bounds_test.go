package nodenames_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/nodenames"
)

func TestCallsInASecondAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ec2 := &fake{}
		n := nodenames.New(nodenames.Config{Instances: ec2, QPS: 2, Burst: 1})
		for i := range 100 {
			go n.PrivateDNSName(t.Context(), instance(i))
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if ec2.calls() < 19 || ec2.calls() > 21 {
			t.Errorf("%d calls in 10 s", ec2.calls())
		}
		time.Sleep(seconds(5))
	})
}

func TestQuestionsThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ec2 := &fake{takes: seconds(4)}
		n := nodenames.New(nodenames.Config{Instances: ec2, MaxCalls: 1, MaxWaiting: 10})
		results := ask(t, n, seconds(60), instances(12)...)
		refused := 0
		for _, r := range results {
			if errors.Is(r.err, awsauth.ErrNamesThrottled) && strings.Contains(r.err.Error(), "10 instances are being asked about") && r.took == 0 {
				refused++
			}
		}
		if refused != 2 {
			t.Errorf("%+v", results)
		}
		wantNames(t, ask(t, n, seconds(60), instances(12)...)) // there is room again
	})
}

// Somebody's deadline is their own: the question goes on for the others and for the
// next time.
func TestADeadlineEndsTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ec2 := &fake{takes: seconds(4)}
		n := nodenames.New(nodenames.Config{Instances: ec2})
		r := ask(t, n, time.Second, instance(1))[0]
		if !errors.Is(r.err, awsauth.ErrNamesUnavailable) || r.took != time.Second {
			t.Errorf("%+v", r)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Second); cancel() }()
		if _, err := n.PrivateDNSName(ctx, instance(1)); !errors.Is(err, context.Canceled) || transient(err) {
			t.Errorf("%v", err)
		}
		time.Sleep(seconds(3))
		r = ask(t, n, time.Second, instance(1))[0]
		if r.err != nil || r.took != 0 || ec2.calls() != 1 {
			t.Errorf("%+v, %d calls", r, ec2.calls())
		}
		if name, err := n.PrivateDNSName(ctx, instance(1)); err != nil || name == "" {
			t.Errorf("what is known needs no time: %v", err)
		}
	})
}

func TestACallHasADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ec2 := &fake{takes: time.Hour}
		n := nodenames.New(nodenames.Config{Instances: ec2})
		r := ask(t, n, time.Hour, instance(1))[0]
		if !errors.Is(r.err, awsauth.ErrNamesUnavailable) || r.took > seconds(6) {
			t.Errorf("%+v", r)
		}
	})
}

// EC2 is not asked for whoever went away while the question waited for its turn.
func TestNobodyIsAskedAboutForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ec2 := &fake{takes: seconds(4)}
		n := nodenames.New(nodenames.Config{Instances: ec2, MaxCalls: 1, MaxWaiting: 3})
		go n.PrivateDNSName(t.Context(), instance(1))
		time.Sleep(time.Second)
		ask(t, n, time.Second, instance(2), instance(3), instance(3)) // in the queue, then gone
		go ask(t, n, seconds(20), instance(3))                        // one of them came back
		time.Sleep(seconds(20))
		if ec2.calls() != 2 || len(ec2.asked[1]) != 1 || ec2.asked[1][0] != instance(3) {
			t.Errorf("asked %v", ec2.asked)
		}
		wantNames(t, ask(t, n, seconds(20), instance(2)))
	})
}

func TestThrottlingThenSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := &counts{}
		ec2 := &fake{answer: func(call int, ids []string, _ string) ([]nodenames.Instance, string, error) {
			if call <= 3 {
				return nil, "", throttled()
			}
			return all(ids), "", nil
		}}
		n := nodenames.New(nodenames.Config{Instances: ec2, Observer: seen})
		wantNames(t, ask(t, n, seconds(9), instances(5)...))
		if ec2.calls() != 4 || seen.throttled.Load() != 3 || seen.ok.Load() != 1 {
			t.Fatalf("%d calls, %d throttled", ec2.calls(), seen.throttled.Load())
		}
		for i, most := range []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second} {
			if pause := ec2.at[i+1].Sub(ec2.at[i]); pause < most/2 || pause > most+10*time.Millisecond {
				t.Errorf("pause %d: %v", i, pause)
			}
		}
	})
}

// However many wait, a throttled EC2 is asked a few times in ten seconds.
func TestThrottlingWithoutEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ec2 := &fake{answer: func(int, []string, string) ([]nodenames.Instance, string, error) { return nil, "", throttled() }}
		n := nodenames.New(nodenames.Config{Instances: ec2})
		for _, r := range ask(t, n, seconds(10), instances(1000)...) {
			if !errors.Is(r.err, awsauth.ErrNamesThrottled) || r.took > seconds(10) {
				t.Fatalf("%+v", r)
			}
		}
		if ec2.calls() > 40 {
			t.Errorf("%d calls", ec2.calls())
		}
		time.Sleep(time.Minute) // what was begun ends
		before := ec2.calls()
		time.Sleep(time.Hour)
		if ec2.calls() != before {
			t.Error("it goes on asking for nobody")
		}
	})
}
