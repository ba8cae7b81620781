package sigv4_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/sigv4"
)

func TestCredentialsAndSignaturesPrintNoSecret(t *testing.T) {
	t.Parallel()
	c := newCall()
	c.credentials.SessionToken = "THESESSIONTOKEN"
	bothWays(t, c, func(t *testing.T, r *http.Request) {
		s, err := sigv4.ParseSignature(r)
		if err != nil {
			t.Fatal(err)
		}
		_, signature, _ := strings.Cut(r.Header.Get("Authorization")+r.URL.RawQuery, "Signature=")
		signature = signature[:64]
		for _, v := range []any{c.credentials, &c.credentials, s, &s, struct{ C any }{c.credentials}, []any{s}} {
			var out bytes.Buffer
			fmt.Fprintf(&out, "%v %+v %#v %s %q\n", v, v, v, v, v)
			slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
			if err := json.NewEncoder(&out).Encode(v); err != nil {
				t.Fatal(err)
			}
			for _, hidden := range []string{secret, "THESESSIONTOKEN", signature} {
				if strings.Contains(out.String(), hidden) {
					t.Errorf("%T prints %s", v, hidden)
				}
			}
			if !strings.Contains(out.String(), "AKIAIOSFODNN7EXAMPLE") {
				t.Errorf("%T does not print its access key ID:\n%s", v, out.String())
			}
		}
	})
}

func TestCredentialsStringSaysWhetherTheyAreTemporary(t *testing.T) {
	t.Parallel()
	c := newCall().credentials
	if got, want := c.String(), "AKIAIOSFODNN7EXAMPLE"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	c.SessionToken = "token"
	if got, want := c.String(), "AKIAIOSFODNN7EXAMPLE (temporary)"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}

func TestSignatureStringSaysWhoseItIs(t *testing.T) {
	t.Parallel()
	want := map[bool]string{
		false: "signed by AKIAIOSFODNN7EXAMPLE/20261123/us-east-1/sts/aws4_request at 20261123T070450Z",
		true:  "presigned by AKIAIOSFODNN7EXAMPLE/20261123/us-east-1/sts/aws4_request at 20261123T070450Z",
	}
	bothWays(t, newCall(), func(t *testing.T, r *http.Request) {
		s, err := sigv4.ParseSignature(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.String(); got != want[s.Presigned] {
			t.Errorf("String() = %q, want %q", got, want[s.Presigned])
		}
	})
}

// Whatever is done to a good request, the refusal repeats nothing that opens.
func TestErrorsRepeatNoSecret(t *testing.T) {
	t.Parallel()
	c := newCall()
	c.credentials.SessionToken = "THESESSIONTOKEN"
	bothWays(t, c, func(t *testing.T, r *http.Request) {
		text := r.URL.RawQuery
		if v := r.Header.Get("Authorization"); v != "" {
			text = v
		}
		_, signature, _ := strings.Cut(text, "Signature=")
		refused := 0
		for i := range text {
			for _, change := range []string{"", "%", "X", ";", " ", "&", ",", "="} {
				sent := r.Clone(t.Context())
				if changed := text[:i] + change + text[i+1:]; sent.Header.Get("Authorization") != "" {
					sent.Header.Set("Authorization", changed)
				} else {
					sent.URL.RawQuery = changed
				}
				err := verify(sent, c.body, secret)
				if err == nil {
					continue
				}
				refused++
				var format *sigv4.FormatError
				if !errors.Is(err, sigv4.ErrMismatch) && !errors.Is(err, sigv4.ErrNoSignature) && !errors.As(err, &format) {
					t.Fatalf("error of another type: %v", err)
				}
				for _, hidden := range []string{secret, "SESSIONTOKEN", signature[1:20], signature[40:60]} {
					if strings.Contains(err.Error(), hidden) {
						t.Fatalf("the error %q repeats %s", err, hidden)
					}
				}
			}
		}
		if refused < len(text)*6 {
			t.Errorf("only %d changes to %d characters were refused", refused, len(text))
		}
	})
}
