package awsquery

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// MaxBody bounds a request's body in bytes. The largest input of STS, a
	// session policy with fifty tags, is a tenth of it.
	MaxBody = 256 << 10
	// MaxParameters bounds their number: fifty tags have a hundred.
	MaxParameters = 256
)

// Request is one call as it came in. Read fills in what follows from the HTTP
// request; none of it is believed yet.
type Request struct {
	HTTP    *http.Request
	ID      string
	AsJSON  bool // the answer is to be JSON
	Body    []byte
	Action  string
	Version string
	Params  Params
}

// NewRequest gives a call its id.
func NewRequest(r *http.Request) Request {
	return Request{HTTP: r, ID: NewRequestID(), AsJSON: wantsJSON(r.Header)}
}

// Read takes the request apart: parameters stand in the query or in the form
// body, and each at most once in both together. Names are compared with their
// exact case (CVE-2022-2385 came from doing otherwise).
func (q *Request) Read(w http.ResponseWriter) error {
	if q.HTTP.Method != http.MethodGet && q.HTTP.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return methodNotAllowed(q.HTTP.Method)
	}
	if err := q.readBody(w); err != nil {
		return err
	}
	q.Params = Params{values: map[string]string{}}
	if err := q.Params.parse(q.HTTP.URL.RawQuery); err != nil {
		return err
	}
	if len(q.Body) > 0 {
		if err := checkForm(q.HTTP); err != nil {
			return err
		}
		if err := q.Params.parse(string(q.Body)); err != nil {
			return err
		}
	}
	q.Action, _ = q.Params.Take("Action")
	q.Version, _ = q.Params.Take("Version")
	return nil
}

func (q *Request) readBody(w http.ResponseWriter) error {
	if q.HTTP.Body == nil || q.HTTP.Body == http.NoBody {
		return nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.HTTP.Body, MaxBody))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return tooLarge(large.Limit)
	}
	if err != nil {
		return &Error{
			Code: "RequestAbortedException", Status: http.StatusBadRequest,
			Message: "The body of the request could not be read", Reason: "body: " + err.Error(),
		}
	}
	q.Body = body
	return nil
}

// checkForm: a body is a form, and only POST has one.
func checkForm(r *http.Request) error {
	if r.Method != http.MethodPost {
		return Malformed("A GET request has no body; its parameters stand in the query")
	}
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") {
		return Malformed("The Content-Type of a POST must be application/x-www-form-urlencoded")
	}
	return nil
}

// Params are the parameters of a request. Each is taken out by the one who
// understands it; what is left at the end was understood by nobody.
type Params struct {
	values map[string]string
}

// parse adds the parameters of a query or a form. Those of the signature
// belong to package sigv4.
func (p Params) parse(encoded string) error {
	for pair := range strings.SplitSeq(encoded, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return Malformed("The parameters are not properly percent-encoded")
		}
		if strings.HasPrefix(name, "X-Amz-") {
			continue
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return Malformed("The parameter %q is not properly percent-encoded UTF-8", Clip(name))
		}
		if _, twice := p.values[name]; twice {
			return Malformed("The parameter %q is given more than once", Clip(name))
		}
		if len(p.values) == MaxParameters {
			return Malformed("The request has more than %d parameters", MaxParameters)
		}
		p.values[name] = value
	}
	return nil
}

// Take removes a parameter and returns it.
func (p Params) Take(name string) (value string, ok bool) {
	value, ok = p.values[name]
	delete(p.values, name)
	return value, ok
}

// Peek returns a parameter and leaves it.
func (p Params) Peek(name string) (value string, ok bool) {
	value, ok = p.values[name]
	return value, ok
}

// TakeList removes NAME.member.1, NAME.member.2, … and returns them. An empty
// list may be written as an empty NAME.
func (p Params) TakeList(name string) []string {
	p.TakeEmpty(name)
	var list []string
	for {
		value, ok := p.Take(name + ".member." + strconv.Itoa(len(list)+1))
		if !ok {
			return list
		}
		list = append(list, value)
	}
}

// TakeEmpty removes a parameter if its value is empty: an empty list.
func (p Params) TakeEmpty(name string) {
	if value, ok := p.values[name]; ok && value == "" {
		delete(p.values, name)
	}
}

// Left returns the names that nobody took, sorted.
func (p Params) Left() []string { return slices.Sorted(maps.Keys(p.values)) }
