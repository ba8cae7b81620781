package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/eksauth/eksauth/arn"
)

const (
	// clockSkew is how far ahead of ours a signer's clock may be. AWS allows
	// signed requests five minutes.
	clockSkew = 5 * time.Minute

	// askTimeout bounds the question to STS, connection included. kube-apiserver
	// gives a webhook 30 s.
	askTimeout = 10 * time.Second

	maxAnswer = 64 << 10
)

// Verifier finds out who made a token, for one cluster, by asking STS. It may
// be used by many goroutines at once.
type Verifier struct {
	// ClusterID that tokens must be signed for.
	ClusterID string
	// Partition whose STS may be asked, as in ARNs: "aws".
	Partition string
	// Endpoint, if not nil, is asked instead of the host that the token names.
	// The signature still covers the token's own host, which is sent as the
	// Host header. Tokens that name this endpoint itself are accepted too.
	// Whoever sets it trusts that endpoint to say who anybody is.
	Endpoint *url.URL
	// Client asks. Redirects are never followed, whatever it says. Nil means
	// one with sensible limits.
	Client *http.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	makeTransport sync.Once
	transport     http.RoundTripper // of a Client that has none
}

// Verified is what a token proved.
type Verified struct {
	Identity arn.Identity
	// Expiry is when the token ends; later than it nothing that was concluded
	// from the token holds.
	Expiry time.Time
}

// Verify checks all that can be checked here, then asks STS who signed the
// request, and checks the answer. Errors are *Error; whoever gets one denies.
func (v *Verifier) Verify(ctx context.Context, raw string) (Verified, error) {
	req, err := Parse(raw)
	if err != nil {
		return Verified{}, err
	}
	return v.Prove(ctx, req)
}

// Prove is Verify of a token that was parsed already: it checks clock and host, the
// former of which moved on since, then asks STS.
func (v *Verifier) Prove(ctx context.Context, req *Request) (Verified, error) {
	if err := v.check(req); err != nil {
		return Verified{}, err
	}
	id, err := v.ask(ctx, req)
	if err != nil {
		return Verified{}, err
	}
	return Verified{Identity: id, Expiry: req.Expiry()}, nil
}

// Check does the part of Verify that needs no network: form, clock and host.
// Errors are *Error.
func (v *Verifier) Check(raw string) (*Request, error) {
	req, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	if err := v.check(req); err != nil {
		return nil, err
	}
	return req, nil
}

// Asks returns the host that Verify asks about req, with the port if there is
// one.
func (v *Verifier) Asks(req *Request) string {
	if v.Endpoint != nil {
		return v.Endpoint.Host
	}
	return req.Host
}

func (v *Verifier) check(req *Request) error {
	now := v.now()
	switch {
	case !now.Before(req.Expiry()):
		return refuse(Expired, "make a new token; if it is new, compare the clocks of client and server",
			"the token expired at %s, %s ago", req.Expiry().Format(time.RFC3339), now.Sub(req.Expiry()).Round(time.Second))
	case req.Date.After(now.Add(clockSkew)):
		return refuse(Future, "compare the clocks of client and server",
			"the token is dated %s, %s ahead of this server's clock", req.Date.Format(time.RFC3339), req.Date.Sub(now).Round(time.Second))
	}
	return v.checkHost(req)
}

// checkHost decides where a stranger's request may be sent.
func (v *Verifier) checkHost(req *Request) error {
	if e := v.Endpoint; e != nil && req.Host == e.Host && req.Scheme == e.Scheme {
		return nil
	}
	host, ok := arn.ParseSTSHost(req.Host)
	switch {
	case !ok:
		return refuse(Host, "set AWS_REGION for the client, and no AWS_ENDPOINT_URL_STS that this cluster does not use",
			"the token names %.100q, which is no STS endpoint of AWS", req.Host)
	case req.Scheme != "https":
		return refuse(Host, "", "the token names STS without https")
	case host.Partition != v.Partition:
		return refuse(Host, "sign in with credentials of an account in partition "+v.Partition,
			"the token is for STS in partition %s, but this cluster is in %s", host.Partition, v.Partition)
	case host.Region != req.Region:
		return refuse(Host, "", "the token names STS in %s but is signed for %.40q", host.Region, req.Region)
	}
	return nil
}

func (v *Verifier) ask(ctx context.Context, req *Request) (arn.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	httpReq, err := v.rebuild(ctx, req)
	if err != nil {
		return arn.Identity{}, err
	}
	resp, err := v.client().Do(httpReq)
	if err != nil {
		v.dropSilent(err)
		return arn.Identity{}, v.unreached(req, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		v.dropSilent(err)
		return arn.Identity{}, unavailable(err)
	}
	if len(body) > maxAnswer {
		return arn.Identity{}, refuse(Answer, "", "STS answered more than %d bytes", maxAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		return arn.Identity{}, refusal(resp.StatusCode, body, v.ClusterID)
	}
	// A proxy or a captive portal answers 200 too.
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return arn.Identity{}, refuse(Answer, "is there a proxy between this server and STS?", "STS did not answer in JSON")
	}
	return v.identity(body, req.AccessKeyID)
}

// rebuild writes the request that the token's signature must cover, from
// checked parts only.
func (v *Verifier) rebuild(ctx context.Context, req *Request) (*http.Request, error) {
	query := [][2]string{
		{"Action", action},
		{"Version", apiVersion},
		{"X-Amz-Algorithm", algorithm},
		{"X-Amz-Credential", strings.Join([]string{req.AccessKeyID, req.Date.Format("20060102"), req.Region, service, "aws4_request"}, "/")},
		{"X-Amz-Date", req.Date.Format(timeFormat)},
		{"X-Amz-Expires", strconv.Itoa(int(req.Expires / time.Second))},
		{"X-Amz-SignedHeaders", wantSignedHeaders},
	}
	if req.sessionToken != "" {
		query = append(query, [2]string{"X-Amz-Security-Token", req.sessionToken})
	}
	query = append(query, [2]string{"X-Amz-Signature", req.signature})
	var b strings.Builder
	for i, kv := range query {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(kv[0] + "=" + url.QueryEscape(kv[1]))
	}
	target := url.URL{Scheme: req.Scheme, Host: req.Host, Path: "/", RawQuery: b.String()}
	if v.Endpoint != nil {
		target.Scheme, target.Host = v.Endpoint.Scheme, v.Endpoint.Host
	}
	httpReq, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, refuse(Malformed, "", "the token's host cannot be asked")
	}
	httpReq.Host = req.Host
	httpReq.Header.Set(ClusterIDHeader, v.ClusterID)
	httpReq.Header.Set("Accept", "application/json")
	return httpReq, nil
}

// callerIdentity is STS's answer when it is asked for JSON.
type callerIdentity struct {
	GetCallerIdentityResponse struct {
		GetCallerIdentityResult struct {
			Account, Arn, UserId string
		}
	}
}

// identity believes an answer only if its parts agree with one another.
func (v *Verifier) identity(body []byte, accessKeyID string) (arn.Identity, error) {
	var answer callerIdentity
	if err := json.Unmarshal(body, &answer); err != nil {
		return arn.Identity{}, refuse(Answer, "", "STS answered with JSON that does not parse")
	}
	result := answer.GetCallerIdentityResponse.GetCallerIdentityResult
	p, err := arn.ParsePrincipal(result.Arn)
	if err != nil {
		return arn.Identity{}, &Error{Reason: Answer, Message: "STS answered with a principal that is none", Err: err}
	}
	if p.Partition != v.Partition || p.AccountID != result.Account {
		return arn.Identity{}, refuse(Answer, "", "STS answered with %s of account %.20q, for a cluster in partition %s", p, result.Account, v.Partition)
	}
	id := arn.Identity{Principal: p, UserID: result.UserId, AccessKeyID: accessKeyID}
	if p.Kind == arn.AssumedRole {
		var session string
		id.UserID, session, _ = strings.Cut(result.UserId, ":")
		if session != p.Session {
			return arn.Identity{}, refuse(Answer, "", "STS answered with a user id that does not belong to %s", p)
		}
	}
	if id.UserID == "" {
		return arn.Identity{}, refuse(Answer, "", "STS answered without a user id for %s", p)
	}
	return id, nil
}

// refusal reads an error answer. STS's own message is not repeated: an
// endpoint may echo the request, and with it a session token.
func refusal(status int, body []byte, clusterID string) error {
	var answer struct{ Error struct{ Code string } }
	_ = json.Unmarshal(body, &answer) // no code is an answer too
	code := answer.Error.Code
	if len(code) > 64 || strings.ContainsFunc(code, notKeyCharacter) {
		code = ""
	}
	switch {
	case status == http.StatusTooManyRequests, strings.HasPrefix(code, "Throttling"), code == "RequestLimitExceeded", code == "TooManyRequestsException":
		return refuse(Throttled, "too many distinct tokens are being verified", "STS asks to slow down (HTTP %d %s)", status, code)
	case status >= 500:
		return refuse(Unavailable, "", "STS failed (HTTP %d)", status)
	case status >= 300 && status < 400:
		return refuse(Answer, "", "STS answered with a redirect (HTTP %d), which is never followed", status)
	case code == "SignatureDoesNotMatch":
		return refuse(Signature, fmt.Sprintf("make the token for this cluster: eksauth token --cluster-name %s", clusterID),
			"the signature is not one for the cluster %q: the token was made for another cluster, or altered", clusterID)
	case code == "InvalidClientTokenId", code == "UnrecognizedClientException":
		return refuse(Credentials, "the key was deleted or made inactive, or belongs to another partition", "STS does not know the access key of the token (HTTP %d %s)", status, code)
	case code == "ExpiredToken", code == "ExpiredTokenException":
		return refuse(Credentials, "get new session credentials, then a new token", "the session that signed the token has ended")
	}
	return refuse(Answer, "", "STS refused the request (HTTP %d %s)", status, code)
}

// unreached is why there was no answer. A host that does not exist is the
// token's fault: anybody can name a region that AWS does not have. That is not
// so of the operator's own endpoint, nor of a proxy's name, which req does not
// hold.
func (v *Verifier) unreached(req *Request, err error) error {
	var dns *net.DNSError
	if v.Endpoint == nil && errors.As(err, &dns) && dns.IsNotFound && dns.Name == req.Host {
		return refuse(Host, "is AWS_REGION right for the client, and does this server's DNS know AWS?",
			"the token names %.100q, which does not exist", req.Host)
	}
	return unavailable(err)
}

// unavailable leaves out the URL that net/http puts into its errors: it is the
// token.
func unavailable(err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	return &Error{Reason: Unavailable, Message: "STS could not be asked", Hint: "can this server reach the STS endpoint?", Err: err}
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

func (v *Verifier) client() *http.Client {
	c := http.Client{}
	if v.Client != nil {
		c = *v.Client
	}
	if c.Transport == nil {
		v.makeTransport.Do(func() { v.transport = NewTransport() })
		c.Transport = v.transport
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// dropSilent closes what nobody uses after a question that was not answered in
// time: a firewall that has forgotten one connection has forgotten others, and each
// would cost a question.
func (v *Verifier) dropSilent(err error) {
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		v.client().CloseIdleConnections()
	}
}

// NewTransport is http.DefaultTransport with bounds on what an endpoint can make
// us hold. It keeps as many connections as there may be questions at once, and
// notices soon when nobody is at the other end any more.
func NewTransport() *http.Transport {
	alive := net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAliveConfig: alive}).DialContext,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  askTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        time.Minute,
		ForceAttemptHTTP2:      true,
	}
}
