package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"sigs.k8s.io/aws-iam-authenticator/pkg/token"
)

// batch is many tokens for one cluster. They are bytes, which need not be text.
type batch struct {
	Partition string   `json:"partition"`
	Tokens    [][]byte `json:"tokens"`
	// Answers is what STS says to each token's request, or to all of them.
	Answers [][]byte `json:"answers"`
}

// verdict is what its verifier makes of one token.
type verdict struct {
	Error string `json:"error,omitempty"`
	// What it asked of STS; empty if it refused before.
	Method string      `json:"method,omitempty"`
	URL    string      `json:"url,omitempty"`
	Host   string      `json:"host,omitempty"`
	Header http.Header `json:"header,omitempty"`
	// What it accepted.
	ARN         string `json:"arn,omitempty"`
	Account     string `json:"account,omitempty"`
	UserID      string `json:"userID,omitempty"`
	Session     string `json:"session,omitempty"`
	AccessKeyID string `json:"accessKeyID,omitempty"`
}

// recorder keeps the request that it answers with a text, HTTP 200.
type recorder struct {
	asked  *http.Request
	answer []byte
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.asked = req
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(r.answer))}, nil
}

// verify answers batches of tokens, one a line, with lists of verdicts.
func verify(in io.Reader, out io.Writer) error {
	sts := &recorder{}
	http.DefaultTransport = sts // which its verifier uses
	verifiers := map[string]token.Verifier{}
	lines, encoder := bufio.NewReader(in), json.NewEncoder(out)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var b batch
		if err := json.Unmarshal(line, &b); err != nil {
			return err
		}
		v := verifiers[b.Partition]
		if v == nil {
			v = token.NewVerifier("dev", b.Partition, "us-east-1")
			verifiers[b.Partition] = v
		}
		verdicts := make([]verdict, len(b.Tokens))
		for i, raw := range b.Tokens {
			sts.asked, sts.answer = nil, b.Answers[i%len(b.Answers)]
			verdicts[i] = judge(v, string(raw), sts)
		}
		if err := encoder.Encode(verdicts); err != nil {
			return err
		}
	}
}

func judge(v token.Verifier, raw string, sts *recorder) verdict {
	var is verdict
	id, err := v.Verify(raw)
	if r := sts.asked; r != nil {
		is.Method, is.URL, is.Host, is.Header = r.Method, r.URL.String(), r.Host, r.Header
	}
	if err != nil {
		is.Error = err.Error()
		return is
	}
	is.ARN, is.Account, is.UserID, is.Session, is.AccessKeyID = id.ARN, id.AccountID, id.UserID, id.SessionName, id.AccessKeyID
	return is
}
