package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// review is what a kube-apiserver v1.37 asked about a pod with one init
// container, two containers and one volume, that kubectl created. Its service
// account has a role.
//
//go:embed review.json
var review []byte

// contender is a server that is asked again and again.
type contender struct {
	name   string
	server *server
	ready  time.Duration
	loads  []load
}

// load is what one round came to.
type load struct {
	rate  float64 // answers a second
	times []time.Duration
}

func (c *contender) rate() float64 {
	rates := make([]float64, len(c.loads))
	for i, l := range c.loads {
		rates[i] = l.rate
	}
	slices.Sort(rates)
	return rates[len(rates)/2]
}

// percentile is the median of the rounds' percentiles.
func (c *contender) percentile(p int) time.Duration {
	values := make([]time.Duration, len(c.loads))
	for i, l := range c.loads {
		values[i] = l.times[len(l.times)*p/100]
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// ask has the callers ask for a while. Like kube-apiserver they speak HTTP/1.1
// and keep their connections.
func ask(url string, trust *x509.CertPool, callers int, during time.Duration) (load, error) {
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: callers,
		TLSClientConfig:     &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
	}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var all load
	var failure error
	var group sync.WaitGroup
	begin := time.Now()
	end := begin.Add(during)
	for range callers {
		group.Go(func() {
			times, err := askUntil(client, url, end)
			mu.Lock()
			defer mu.Unlock()
			all.times = append(all.times, times...)
			if err != nil {
				failure = err
			}
		})
	}
	group.Wait()
	if failure != nil {
		return load{}, failure
	}
	all.rate = float64(len(all.times)) / time.Since(begin).Seconds()
	slices.Sort(all.times)
	return all, nil
}

func askUntil(client *http.Client, url string, end time.Time) (times []time.Duration, err error) {
	var answer bytes.Buffer
	for begin := time.Now(); begin.Before(end); {
		resp, err := client.Post(url, "application/json", bytes.NewReader(review))
		if err != nil {
			return nil, err
		}
		answer.Reset()
		_, err = answer.ReadFrom(io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK || !bytes.Contains(answer.Bytes(), []byte(`"allowed":true`)) {
			return nil, fmt.Errorf("HTTP %d %.200s", resp.StatusCode, answer.String())
		}
		now := time.Now()
		times = append(times, now.Sub(begin))
		begin = now
	}
	return times, nil
}
