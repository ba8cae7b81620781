package sts

import (
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	apiVersion = "2011-06-15"

	// maxBody bounds a request's body in bytes. The largest input of STS, a
	// session policy with fifty tags, is a tenth of it.
	maxBody = 256 << 10
	// maxParameters bounds their number: fifty tags have a hundred.
	maxParameters = 256
)

// request is one call as it came in, read but not yet believed.
type request struct {
	http    *http.Request
	id      string
	at      time.Time
	asJSON  bool
	body    []byte
	action  string
	version string
	params  params
	caller  Caller      // set once the signature is verified
	about   []slog.Attr // what the log should say in any case
	notes   []slog.Attr // what the log should say of a success
}

// read takes the request apart: parameters stand in the query or in the form
// body, and each at most once in both together. Names are compared with their
// exact case (CVE-2022-2385 came from doing otherwise).
func (q *request) read(w http.ResponseWriter) error {
	if q.http.Method != http.MethodGet && q.http.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return errMethod(q.http.Method)
	}
	if err := q.readBody(w); err != nil {
		return err
	}
	q.params = params{values: map[string]string{}}
	if err := q.params.parse(q.http.URL.RawQuery); err != nil {
		return err
	}
	if len(q.body) > 0 {
		if err := checkForm(q.http); err != nil {
			return err
		}
		if err := q.params.parse(string(q.body)); err != nil {
			return err
		}
	}
	q.action, _ = q.params.take("Action")
	q.version, _ = q.params.take("Version")
	return nil
}

func (q *request) readBody(w http.ResponseWriter) error {
	if q.http.Body == nil || q.http.Body == http.NoBody {
		return nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.http.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return errTooLarge(tooLarge.Limit)
	}
	if err != nil {
		return &Error{
			Code: "RequestAbortedException", Status: http.StatusBadRequest,
			Message: "The body of the request could not be read", Reason: "body: " + err.Error(),
		}
	}
	q.body = body
	return nil
}

// checkForm: a body is a form, and only POST has one.
func checkForm(r *http.Request) error {
	if r.Method != http.MethodPost {
		return errHTTP("A GET request has no body; its parameters stand in the query")
	}
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") {
		return errHTTP("The Content-Type of a POST must be application/x-www-form-urlencoded")
	}
	return nil
}

// params are the parameters of a request. Each is taken out by the one who
// understands it; what is left at the end was understood by nobody.
type params struct {
	values map[string]string
}

// parse adds the parameters of a query or a form. Those of the signature
// belong to package sigv4.
func (p params) parse(encoded string) error {
	for pair := range strings.SplitSeq(encoded, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return errHTTP("The parameters are not properly percent-encoded")
		}
		if strings.HasPrefix(name, "X-Amz-") {
			continue
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return errHTTP("The parameter %q is not properly percent-encoded UTF-8", clip(name))
		}
		if _, twice := p.values[name]; twice {
			return errHTTP("The parameter %q is given more than once", clip(name))
		}
		if len(p.values) == maxParameters {
			return errHTTP("The request has more than %d parameters", maxParameters)
		}
		p.values[name] = value
	}
	return nil
}

// take removes a parameter and returns it.
func (p params) take(name string) (value string, ok bool) {
	value, ok = p.values[name]
	delete(p.values, name)
	return value, ok
}

// takeList removes NAME.member.1, NAME.member.2, … and returns them. An empty
// list may be written as an empty NAME.
func (p params) takeList(name string) []string {
	p.takeEmpty(name)
	var list []string
	for {
		value, ok := p.take(name + ".member." + strconv.Itoa(len(list)+1))
		if !ok {
			return list
		}
		list = append(list, value)
	}
}

func (p params) takeEmpty(name string) {
	if value, ok := p.values[name]; ok && value == "" {
		delete(p.values, name)
	}
}

// left returns the names that nobody took, sorted.
func (p params) left() []string { return slices.Sorted(maps.Keys(p.values)) }
