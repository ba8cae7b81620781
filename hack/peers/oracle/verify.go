package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"sigs.k8s.io/aws-iam-authenticator/pkg/token"
)

// verdict is what the peer's verifier makes of a token: whether it lets it in where
// STS vouches for it, and what it asks STS.
type verdict struct {
	Accepted bool        `json:"accepted"`
	Error    string      `json:"error,omitempty"`
	Method   string      `json:"method,omitempty"`
	URL      string      `json:"url,omitempty"`
	Host     string      `json:"host,omitempty"`
	Header   http.Header `json:"header,omitempty"`
}

// vouching is an STS that vouches for everybody and remembers what it was asked.
type vouching struct{ asked *http.Request }

func (v *vouching) RoundTrip(r *http.Request) (*http.Response, error) {
	v.asked = r
	const answer = `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"111122223333","Arn":"arn:aws:iam::111122223333:user/ada","UserId":"AIDAADA"},"ResponseMetadata":{"RequestId":"r"}}}`
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader([]byte(answer))), Request: r,
	}, nil
}

// verify reads tokens, each a JSON string on a line, and writes a verdict on each.
func verify(in io.Reader, out io.Writer) error {
	sts := &vouching{}
	http.DefaultTransport = sts // its client has no other
	v := token.NewVerifier("dev", "aws", "us-east-1")
	lines, buffered := bufio.NewReaderSize(in, 1<<20), bufio.NewWriterSize(out, 1<<20)
	encoder := json.NewEncoder(buffered)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return buffered.Flush()
		}
		if err != nil {
			return err
		}
		var raw string
		if err := json.Unmarshal(line, &raw); err != nil {
			return err
		}
		sts.asked = nil
		var said verdict
		_, err = v.Verify(raw)
		if said.Accepted = err == nil; err != nil {
			said.Error = err.Error()
		}
		if r := sts.asked; r != nil {
			said.Method, said.URL, said.Host, said.Header = r.Method, r.URL.String(), r.Host, r.Header
		}
		if err := encoder.Encode(said); err != nil {
			return err
		}
		if lines.Buffered() == 0 {
			if err := buffered.Flush(); err != nil {
				return err
			}
		}
	}
}
