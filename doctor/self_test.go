package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/oidc"
)

func TestSelf(t *testing.T) {
	t.Parallel()
	_, c, _, _ := healthy(t)
	clock := time.Now()
	mint := func(audiences ...string) string {
		raw, err := c.issuer.Mint(oidc.TokenRequest{ServiceAccount: oidc.ServiceAccount{Namespace: "apps", Object: oidc.Object{Name: "web"}}, Audiences: audiences, Lifetime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	good := mint(defaultAudience)
	pod := func(more ...string) map[string]string {
		env := map[string]string{"AWS_ROLE_ARN": roleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_REGION": "us-east-1"}
		for i := 0; i+1 < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		return env
	}
	for name, f := range map[string]struct {
		env       map[string]string
		token     string
		file, sts error
		at        time.Time
		cause     string // id; "" if all is well
		says      string
	}{
		"healthy":              {env: pod(), token: good, says: "STS gives the role"},
		"nothing":              {env: map[string]string{}, cause: "web-identity", says: "take the node's role"},
		"pod identity":         {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}, says: "EKS Pod Identity"},
		"static keys":          {env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}, says: "credentials are those of AWS_ACCESS_KEY_ID"},
		"static keys that win": {env: pod("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY", "x"), token: good, cause: "static", says: "come before the role"},
		"half a key":           {env: pod("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), token: good, cause: "static", says: "half a pair"},
		"no token variable":    {env: map[string]string{"AWS_ROLE_ARN": roleARN}, cause: "web-identity", says: "only one is set"},
		"no role":              {env: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, cause: "web-identity", says: "only one is set"},
		"a role that is none":  {env: pod("AWS_ROLE_ARN", "web"), token: good, cause: "role-arn", says: "not the ARN of a role"},
		"no file":              {env: pod(), file: fs.ErrNotExist, cause: "token-file", says: "is not mounted"},
		"not readable":         {env: pod(), file: fs.ErrPermission, cause: "token-file", says: "fsGroup"},
		"no JWT":               {env: pod(), token: "hello", cause: "token", says: "is no token"},
		"no audience":          {env: pod(), token: mint(), sts: errors.New("InvalidIdentityToken: Missing a required claim: aud"), cause: "token", says: "the claim aud is missing"},
		"the API's token": {env: pod(), token: mint("https://issuer.example.com/dev"), sts: errors.New("InvalidIdentityToken: Incorrect token audience"), cause: "token",
			says: "ordinary API token, whose audience is the API server's and not sts.amazonaws.com: STS says Incorrect token audience # take AWS_WEB_IDENTITY_TOKEN_FILE out"},
		"EKS's API's token": {env: pod(), token: mint("https://kubernetes.default.svc"), sts: errors.New("Incorrect token audience"), cause: "token",
			says: "kubectl -n apps annotate serviceaccount web eks.amazonaws.com/role-arn=" + roleARN},
		"the API's token by its path": {env: pod("AWS_WEB_IDENTITY_TOKEN_FILE", apiToken), token: mint("other"), sts: errors.New("Incorrect token audience"), cause: "token", says: "ordinary API token"},
		"another audience":            {env: pod(), token: mint("other"), sts: errors.New("Incorrect token audience"), cause: "token", says: "only where the OIDC provider lists its audience"},
		// A provider may list any audience.
		"another audience, that is listed": {env: pod(), token: mint("other"), says: "for other"},
		"the API's, and it is listed":      {env: pod(), token: mint("https://issuer.example.com/dev"), says: "STS gives the role"},
		"expired":                          {env: pod(), token: good, at: clock.Add(2 * time.Hour), sts: errors.New("ExpiredTokenException"), cause: "token", says: "has expired"},
		"refused":                          {env: pod(), token: good, sts: errors.New("AccessDenied: Not authorized"), cause: "sts", says: "STS says: AccessDenied"},
		"no way to STS":                    {env: pod(), token: good, sts: fmt.Errorf("%w: dial tcp: i/o timeout", ErrNoAnswer), cause: "sts", says: "cannot be reached from here"},
		"a profile":                        {env: pod("AWS_PROFILE", "x"), token: good, says: "AWS_PROFILE is x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := clock
			if !f.at.IsZero() {
				at = f.at
			}
			s := &Self{
				Getenv: func(name string) string { return f.env[name] }, Now: func() time.Time { return at },
				ReadFile: func(string) ([]byte, error) { return []byte(f.token + "\n"), f.file },
				Assume:   func(context.Context, string, string) error { return f.sts },
			}
			r := s.Examine(t.Context())
			var text strings.Builder
			for _, c := range r.Checks {
				text.WriteString(c.Said + " " + c.Cause + " " + strings.Join(c.Fix, " ") + "\n")
			}
			causes := r.Causes()
			if (len(causes) > 0) != (f.cause != "") || f.cause != "" && (len(causes) != 1 || causes[0].ID != f.cause) || !strings.Contains(text.String(), f.says) {
				t.Errorf("%+v\n%s", causes, &text)
			}
			if f.token != "" && len(f.token) > 20 && strings.Contains(text.String(), f.token[10:40]) {
				t.Error("it tells the token")
			}
		})
	}
}
