package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
)

// chained is a world of roles that trust each other.
const chained = `accounts:
  - id: "111122223333"
    rootAccessKeys: [{}]
    users:
      - name: ada.lovelace
      - name: off
        accessKeys: [{id: AKIAIOSFODNN7EXAMPLE, secret: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY, status: Inactive}]
    roles:
      - name: first
        maxSessionDuration: 7200
        inlinePolicies:
          - name: visit
            document: {Version: "2012-10-17", Statement: {Effect: Allow, Action: sts:AssumeRole, Resource: "arn:aws:iam::444455556666:role/team/second"}}
        trustPolicy: &ada
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:user/ada.lovelace"}, Action: sts:AssumeRole}
      - name: mine
        trustPolicy: *ada
  - id: "444455556666"
    roles:
      - name: second
        path: /team/
        maxSessionDuration: 7200
        trustPolicy:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {AWS: "arn:aws:iam::111122223333:role/first"}
            Action: sts:AssumeRole
            Condition: {StringEquals: {"sts:ExternalId": secret-word}}
`

func serveChained(t *testing.T) *localtest.Service {
	t.Helper()
	store := localtest.Open(t, t.TempDir())
	localtest.Apply(t, store, localtest.Parse(t, chained))
	return localtest.Serve(t, store, nil)
}

func assume(t testing.TB, s *localtest.Service, c sigv4.Credentials, in *awssts.AssumeRoleInput) (sigv4.Credentials, error) {
	t.Helper()
	in.RoleSessionName = aws.String("session")
	out, err := awssts.NewFromConfig(s.Config(c)).AssumeRole(t.Context(), in)
	if err != nil {
		return sigv4.Credentials{}, err
	}
	return sigv4.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}, nil
}

func mustAssume(t testing.TB, s *localtest.Service, c sigv4.Credentials, role string) sigv4.Credentials {
	t.Helper()
	session, err := assume(t, s, c, &awssts.AssumeRoleInput{RoleArn: aws.String(role)})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// whoami asks GetCallerIdentity.
func whoami(t testing.TB, s *localtest.Service, c sigv4.Credentials) (userID, arn string, err error) {
	t.Helper()
	out, err := awssts.NewFromConfig(s.Config(c)).GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{})
	if err != nil {
		return "", "", err
	}
	return *out.UserId, *out.Arn, nil
}

func TestGetCallerIdentity(t *testing.T) {
	t.Parallel()
	s := serveChained(t)
	ada := localtest.World(t, s.Store).Accounts[0].Users[0]
	for owner, want := range map[string]string{
		localtest.AdaARN:                 ada.ID,
		"arn:aws:iam::111122223333:root": localtest.Account,
	} {
		id, arn, err := whoami(t, s, localtest.CredentialsOf(t, s.Store, owner))
		if err != nil || id != want || arn != owner {
			t.Errorf("%s is %s, %s (%v)", owner, id, arn, err)
		}
	}
	if strings.Contains(s.Log.String(), string(ada.AccessKeys[0].Secret)) {
		t.Error("the log has a secret")
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	t.Parallel()
	s := serveChained(t)
	good := localtest.CredentialsOf(t, s.Store, localtest.AdaARN)
	const unknown = "The security token included in the request is invalid."
	for _, tc := range []struct {
		name          string
		key           sigv4.Credentials
		code, message string
	}{
		{"unknown", sigv4.Credentials{AccessKeyID: "AKIAUNKNOWNUNKNOWNUN", SecretAccessKey: good.SecretAccessKey}, "InvalidClientTokenId", unknown},
		{"inactive", sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}, "InvalidClientTokenId", unknown},
		{"wrong secret", sigv4.Credentials{AccessKeyID: good.AccessKeyID, SecretAccessKey: "x" + good.SecretAccessKey}, "SignatureDoesNotMatch", "does not match"},
		{"no session", sigv4.Credentials{AccessKeyID: good.AccessKeyID, SecretAccessKey: good.SecretAccessKey, SessionToken: "eksauth1.AAAA"}, "InvalidClientTokenId", unknown},
	} {
		_, _, err := whoami(t, s, tc.key)
		if err == nil {
			t.Errorf("%s: allowed", tc.name)
			continue
		}
		localtest.IsAPIError(t, err, http.StatusForbidden, tc.code, tc.message)
	}
}

// A key is what the store says at this moment, not what it said before.
func TestKeysAreReadForEachRequest(t *testing.T) {
	t.Parallel()
	s := serveChained(t)
	ada := localtest.CredentialsOf(t, s.Store, localtest.AdaARN)
	if _, _, err := whoami(t, s, ada); err != nil {
		t.Fatal(err)
	}
	localtest.Apply(t, s.Store, localtest.Parse(t, strings.Replace(chained, "- name: ada.lovelace", "- name: ada.lovelace\n        accessKeys: [{status: Inactive}]", 1)))
	_, _, err := whoami(t, s, ada)
	localtest.IsAPIError(t, err, http.StatusForbidden, "InvalidClientTokenId", "")
}

func TestAssumeRoleAndChain(t *testing.T) {
	t.Parallel()
	s := serveChained(t)
	ada := localtest.CredentialsOf(t, s.Store, localtest.AdaARN)
	first := mustAssume(t, s, ada, "arn:aws:iam::111122223333:role/first")
	w := localtest.World(t, s.Store)
	id, arn, err := whoami(t, s, first)
	if want := w.Accounts[0].Roles[0].ID + ":session"; err != nil || id != want || arn != "arn:aws:sts::111122223333:assumed-role/first/session" {
		t.Errorf("the first session is %s, %s (%v), want id %s", id, arn, err, want)
	}

	second := &awssts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::444455556666:role/team/second"), ExternalId: aws.String("secret-word")}
	session, err := assume(t, s, first, second)
	if err != nil {
		t.Fatal(err)
	}
	if _, arn, err := whoami(t, s, session); err != nil || arn != "arn:aws:sts::444455556666:assumed-role/second/session" {
		t.Errorf("the second session is %s (%v)", arn, err)
	}
	// Sessions of sessions last an hour, whatever the role says.
	second.DurationSeconds = aws.Int32(3601)
	_, err = assume(t, s, first, second)
	localtest.IsAPIError(t, err, http.StatusBadRequest, "ValidationError", "1 hour session limit for roles assumed by role chaining")
}

func TestAssumeRoleRefuses(t *testing.T) {
	t.Parallel()
	s := serveChained(t)
	ada := localtest.CredentialsOf(t, s.Store, localtest.AdaARN)
	root := localtest.CredentialsOf(t, s.Store, "arn:aws:iam::111122223333:root")
	first := mustAssume(t, s, ada, "arn:aws:iam::111122223333:role/first")
	for _, tc := range []struct {
		name          string
		caller        sigv4.Credentials
		role          string
		externalID    *string
		seconds       int32
		status        int
		code, message string
	}{
		{"not trusted", first, "arn:aws:iam::111122223333:role/mine", nil, 900, 403, "AccessDenied", "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/mine"},
		{"no such role", ada, "arn:aws:iam::111122223333:role/none", nil, 900, 403, "AccessDenied", "is not authorized"},
		{"another localtest.Account", ada, "arn:aws:iam::999999999999:role/first", nil, 900, 403, "AccessDenied", "is not authorized"},
		{"without its path", first, "arn:aws:iam::444455556666:role/second", aws.String("secret-word"), 900, 403, "AccessDenied", "is not authorized"},
		{"no external id", first, "arn:aws:iam::444455556666:role/team/second", nil, 900, 403, "AccessDenied", "is not authorized"},
		{"another external id", first, "arn:aws:iam::444455556666:role/team/second", aws.String("another"), 900, 403, "AccessDenied", "is not authorized"},
		{"root", root, "arn:aws:iam::111122223333:role/first", nil, 900, 403, "AccessDenied", "Roles may not be assumed by root accounts"},
		{"too long", ada, "arn:aws:iam::111122223333:role/first", nil, 7201, 400, "ValidationError", "exceeds the MaxSessionDuration"},
		{"longer than the default", ada, "arn:aws:iam::111122223333:role/mine", nil, 3601, 400, "ValidationError", "exceeds the MaxSessionDuration"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := assume(t, s, tc.caller, &awssts.AssumeRoleInput{RoleArn: aws.String(tc.role), ExternalId: tc.externalID, DurationSeconds: aws.Int32(tc.seconds)})
			if err == nil {
				t.Fatal("allowed")
			}
			localtest.IsAPIError(t, err, tc.status, tc.code, tc.message)
		})
	}
}

func TestSessionSurvivesTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := localtest.Open(t, dir)
	localtest.Apply(t, store, localtest.Parse(t, chained))
	before := localtest.Serve(t, store, nil)
	session := mustAssume(t, before, localtest.CredentialsOf(t, store, localtest.AdaARN), "arn:aws:iam::111122223333:role/first")
	before.Server.Close()
	store.Close()

	after := localtest.Serve(t, localtest.Open(t, dir), nil)
	if _, arn, err := whoami(t, after, session); err != nil || arn != "arn:aws:sts::111122223333:assumed-role/first/session" {
		t.Errorf("after a restart the session is %s (%v)", arn, err)
	}
	// But not in another store, even one of the same world.
	w := localtest.World(t, after.Store)
	other := localtest.Open(t, t.TempDir())
	localtest.Apply(t, other, w)
	_, _, err := whoami(t, localtest.Serve(t, other, nil), session)
	localtest.IsAPIError(t, err, http.StatusForbidden, "InvalidClientTokenId", "")
}

func TestSessionExpires(t *testing.T) {
	t.Parallel()
	s := serveChained(t)
	session, err := assume(t, s, localtest.CredentialsOf(t, s.Store, localtest.AdaARN), &awssts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/first"), DurationSeconds: aws.Int32(900)})
	if err != nil {
		t.Fatal(err)
	}
	const later = 16 * time.Minute
	s.SetClock(later)
	r, err := http.NewRequest(http.MethodGet, s.URL+"/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := signed(session, "sts", later)(r); err != nil {
		t.Fatal(err)
	}
	if a := do(t, r); a.status != http.StatusForbidden || !strings.Contains(a.body, "<Code>ExpiredToken</Code>") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// A session of a role that was deleted is as unknown as the role, and a role
// made anew under its name does not bring it back.
func TestSessionEndsWithItsRole(t *testing.T) {
	t.Parallel()
	s := serveChained(t)
	session := mustAssume(t, s, localtest.CredentialsOf(t, s.Store, localtest.AdaARN), "arn:aws:iam::111122223333:role/first")

	localtest.Apply(t, s.Store, localtest.Parse(t, strings.Replace(chained, "- name: first", "- name: renamed", 1)))
	_, _, err := whoami(t, s, session)
	localtest.IsAPIError(t, err, http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
	if !strings.Contains(s.Log.String(), "was deleted") {
		t.Errorf("the log does not say why: %s", s.Log)
	}

	localtest.Apply(t, s.Store, localtest.Parse(t, chained))
	_, _, err = whoami(t, s, session)
	localtest.IsAPIError(t, err, http.StatusForbidden, "InvalidClientTokenId", "")

	// A change that keeps the role keeps its sessions.
	kept := mustAssume(t, s, localtest.CredentialsOf(t, s.Store, localtest.AdaARN), "arn:aws:iam::111122223333:role/first")
	localtest.Apply(t, s.Store, localtest.Parse(t, strings.Replace(chained, "maxSessionDuration: 7200", "maxSessionDuration: 3600", 1)))
	if _, _, err := whoami(t, s, kept); err != nil {
		t.Errorf("after a change of the role: %v", err)
	}
}
