package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"

	authentication "k8s.io/api/authentication/v1beta1"
	"sigs.k8s.io/aws-iam-authenticator/pkg/config"
	"sigs.k8s.io/aws-iam-authenticator/pkg/mapper/configmap"
)

// question is a ConfigMap, and who comes with a token.
type question struct {
	Data    map[string]string `json:"data"`
	Callers []caller          `json:"callers"`
}

// caller is a token, and what STS says of it.
type caller struct {
	Token  string          `json:"token"`
	Answer json.RawMessage `json:"answer"`
}

// reply is what the peer makes of a question.
type reply struct {
	Malformed string                             `json:"malformed,omitempty"` // its parser's error
	Refused   bool                               `json:"refused,omitempty"`   // it does not start
	Reviews   []authentication.TokenReviewStatus `json:"reviews,omitempty"`
}

// canned answers every request with one text: an STS that knows whom to expect.
type canned struct{ answer []byte }

func (c *canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(c.answer))}, nil
}

func answer(in io.Reader, out io.Writer, dir string) error {
	sts := &canned{}
	http.DefaultTransport = sts // which its verifier uses
	lines, encoder := bufio.NewReader(in), json.NewEncoder(out)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var q question
		if err := json.Unmarshal(line, &q); err != nil {
			return err
		}
		r, err := ask(q, sts, dir)
		if err != nil {
			return err
		}
		if err := encoder.Encode(r); err != nil {
			return err
		}
	}
}

func ask(q question, sts *canned, dir string) (reply, error) {
	var c config.Config
	var r reply
	users, roles, accounts, err := configmap.ParseMap(q.Data)
	if err != nil {
		r.Malformed = err.Error()
	}
	c.UserMappings, c.RoleMappings, c.AutoMappedAWSAccounts = users, roles, accounts
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	h, err := handler(ctx, c, dir)
	if errors.Is(err, errFatal) {
		r.Refused = true
		return r, nil
	}
	for _, who := range q.Callers {
		sts.answer = who.Answer
		body, err := json.Marshal(authentication.TokenReview{Spec: authentication.TokenReviewSpec{Token: who.Token}})
		if err != nil {
			return r, err
		}
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/authenticate", bytes.NewReader(body)))
		var review authentication.TokenReview
		if err := json.Unmarshal(recorder.Body.Bytes(), &review); err != nil {
			return r, err
		}
		r.Reviews = append(r.Reviews, review.Status)
	}
	return r, nil
}
