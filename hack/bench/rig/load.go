package rig

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// requestTimeout bounds one request; nothing here should take a second.
const requestTimeout = 30 * time.Second

// Load is callers that ask at once, each the next when it has an answer. Like
// kube-apiserver they keep their connections; they speak HTTP/1.1.
type Load struct {
	Trust   *x509.CertPool
	Callers int
	During  time.Duration

	// Next makes a body; the load ends early when there is none. It is called at
	// once by many.
	Next func() (body []byte, ok bool)
	// Wanted is what every answer has in it.
	Wanted []byte
}

// Result is what a load came to.
type Result struct {
	Rate  float64         // answers a second
	Times []time.Duration // sorted
	CPU   time.Duration   // of the server, for each answer
}

// NewClient is what so many callers share.
func NewClient(trust *x509.CertPool, callers int) *http.Client {
	return &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
		MaxIdleConnsPerHost: callers,
		TLSClientConfig:     &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
	}}
}

// run asks. The first answer that is not as wanted is an error.
func (l Load) run(ctx context.Context, url string) (Result, error) {
	client := NewClient(l.Trust, l.Callers)
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var all Result
	var failure error
	var group sync.WaitGroup
	begin := time.Now()
	ctx, cancel := context.WithDeadline(ctx, begin.Add(l.During+requestTimeout))
	defer cancel()
	for range l.Callers {
		group.Go(func() {
			times, err := l.ask(ctx, client, url, begin.Add(l.During))
			mu.Lock()
			defer mu.Unlock()
			all.Times = append(all.Times, times...)
			if err != nil && failure == nil {
				failure = err
				cancel()
			}
		})
	}
	group.Wait()
	if failure != nil {
		return Result{}, failure
	}
	if len(all.Times) == 0 {
		return Result{}, fmt.Errorf("no answer within %s", l.During)
	}
	all.Rate = float64(len(all.Times)) / time.Since(begin).Seconds()
	slices.Sort(all.Times)
	return all, nil
}

// ask is one caller.
func (l Load) ask(ctx context.Context, client *http.Client, url string, end time.Time) (times []time.Duration, err error) {
	var answer bytes.Buffer
	for time.Now().Before(end) {
		body, ok := l.Next()
		if !ok {
			return times, nil
		}
		begin := time.Now()
		status, err := Post(ctx, client, url, body, &answer)
		if err != nil {
			return nil, err
		}
		if status != http.StatusOK || !bytes.Contains(answer.Bytes(), l.Wanted) {
			return nil, fmt.Errorf("HTTP %d %.300s", status, answer.String())
		}
		times = append(times, time.Since(begin))
	}
	return times, nil
}

// Post asks once; answer then holds the answer's body and nothing else.
func Post(ctx context.Context, client *http.Client, url string, body []byte, answer *bytes.Buffer) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer.Reset()
	_, err = answer.ReadFrom(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, err
}

// Rounds are the results of one contender, who took turns with others.
type Rounds []Result

// Rate is the median of the rounds.
func (r Rounds) Rate() float64 {
	return median(r, func(one Result) float64 { return one.Rate })
}

// Percentile is the median of the rounds' percentiles.
func (r Rounds) Percentile(p int) time.Duration {
	return median(r, func(one Result) time.Duration { return one.Times[(len(one.Times)-1)*p/100] })
}

// CPU is the median of what the server computed for an answer.
func (r Rounds) CPU() time.Duration {
	return median(r, func(one Result) time.Duration { return one.CPU })
}

func median[T float64 | time.Duration](rounds Rounds, of func(Result) T) T {
	values := make([]T, len(rounds))
	for i, r := range rounds {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
