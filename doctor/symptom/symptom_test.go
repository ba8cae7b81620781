package symptom_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/doctor/symptom"
)

// wording is a message, and what must be recognised in it.
type wording struct {
	ids  []string
	text string
}

// wordings reads testdata/wordings.txt: "== ID…", then the message.
func wordings(t testing.TB) []wording {
	t.Helper()
	data, err := os.ReadFile("testdata/wordings.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []wording
	for block := range strings.SplitSeq("\n"+string(data), "\n== ") {
		ids, text, _ := strings.Cut(block, "\n")
		text, _, _ = strings.Cut(text, "\nMore than one problem")
		all = append(all, wording{strings.Fields(ids), strings.TrimSpace(text)})
	}
	if all = all[1:]; len(all) < 150 {
		t.Fatalf("%d wordings read", len(all))
	}
	return all
}

func ids(matches []symptom.Match) []string {
	var all []string
	for _, m := range matches {
		all = append(all, m.ID)
	}
	return all
}

func TestWordings(t *testing.T) {
	for _, w := range wordings(t) {
		if got := ids(symptom.Recognise(w.text)); !slices.Equal(got, w.ids) {
			t.Errorf("recognised %q, want %q, in\n%s", got, w.ids, w.text)
		}
	}
}

// Each message is held by two wordings at least, has causes, and says for each
// what to do.
func TestEveryMessageIsWhole(t *testing.T) {
	count := map[string]int{}
	for _, w := range wordings(t) {
		count[w.ids[0]]++
	}
	known := symptom.Known()
	if len(known) < 60 {
		t.Errorf("%d messages are known", len(known))
	}
	seen := map[string]bool{}
	unfilled := regexp.MustCompile(`\{[a-zA-Z]+\}`)
	for _, m := range known {
		if name := unfilled.FindString(fmt.Sprint(m)); name != "" {
			t.Errorf("%s: nobody fills in %s", m.ID, name)
		}
		if seen[m.ID] || m.ID == "" || m.Title == "" || m.Means == "" || m.Excerpt == "" || len(m.Causes) == 0 {
			t.Errorf("%q is there twice, or is not whole: %+v", m.ID, m)
		}
		seen[m.ID] = true
		if count[m.ID] < 2 {
			t.Errorf("%s has %d wordings", m.ID, count[m.ID])
		}
		for _, c := range m.Causes {
			if c.Why == "" || c.Fix == "" || c.Check == "" {
				t.Errorf("%s has a cause without a reason, a check or a fix: %+v", m.ID, c)
			}
		}
	}
}

// What says nothing that is known is not taken for something that is.
func TestUnknown(t *testing.T) {
	for _, text := range []string{
		"", "hello", "panic: runtime error: index out of range", "sts:AssumeRole", "AccessDenied: Access Denied",
		"ExpiredTokenException", "pod/api-7d9 created", "configmaps \"other\" not found", "Permission denied (publickey)",
		"x509: certificate has expired or is not yet valid", "dial tcp 10.0.0.1:5432: connect: connection refused",
		strings.Repeat("x", symptom.MaxText) + "error: You must be logged in to the server (Unauthorized)",
	} {
		if got := ids(symptom.Recognise(text)); len(got) != 0 {
			t.Errorf("recognised %q in %.60q", got, text)
		}
	}
}

// Two refusals whose words begin alike, two expiries, two certificates: each is
// its own. What they have is compared in testdata/wordings.txt; here, what the
// wrong one of each pair would say.
func TestLookAlikes(t *testing.T) {
	for text, not := range map[string][]string{
		"Not authorized to perform sts:AssumeRoleWithWebIdentity":                                      {"assume-role-denied", "permission-missing"},
		"is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::1:role/x":              {"web-identity-denied", "permission-missing", "tag-session-denied"},
		"is not authorized to perform: sts:AssumeRoleWithSAML on resource: x":                          {"assume-role-denied", "web-identity-denied"},
		"ExpiredTokenException: The security token included in the request is expired":                 {"token-expired"},
		"(ExpiredToken) … The security token included in the request is expired":                       {"token-expired"},
		"ExpiredTokenException: Token expired: current date/time 2 must be before …":                   {"session-expired"},
		"Token has expired and refresh failed":                                                         {"session-expired", "token-expired"},
		"Unable to connect to the server: x509: certificate signed by unknown authority":               {"webhook-ca-unknown"},
		"failed calling webhook \"a\": x509: certificate signed by unknown authority":                  {"api-server-ca", "webhook-unreachable"},
		"User \"system:anonymous\" cannot get resource":                                                {"rbac-forbidden", "unauthorized"},
		"exec: executable aws not found":                                                               {"exec-failed", "aws-auth-missing"},
		"configmaps \"aws-auth\" already exists":                                                       {"aws-auth-missing"},
		"Request is missing Authentication Token":                                                      {"key-unknown", "audience-claim-missing"},
		"SignatureDoesNotMatch: Signature expired: 1 is now earlier than 2":                            {"signature-mismatch", "session-expired", "token-expired"},
		"Missing a required claim: aud":                                                                {"claim-missing", "audience-refused"},
		"169.254.170.23 is not a valid container metadata service hostname":                            {"pod-identity-agent-unreachable"},
		"[fd00:ec2::23]:80: bind: cannot assign requested address":                                     {"pod-identity-agent-unreachable", "pod-identity-port-taken"},
		"open /var/run/secrets/eks.amazonaws.com/serviceaccount/token: permission denied":              {"token-file-missing"},
		"serviceaccount/token: no such file or directory":                                              {"token-file-unreadable"},
		"The security token included in the request is invalid":                                        {"session-expired", "token-not-validated"},
		"The requested DurationSeconds exceeds the MaxSessionDuration set for this role":               {"session-name-invalid", "session-expired"},
		"User: arn:aws:sts::111122223333:assumed-role/dev/i-room is not authorized to perform: s3:Get": {"node-role-used"},
	} {
		got := ids(symptom.Recognise(text))
		if len(got) == 0 && !strings.Contains(text, "SAML") {
			t.Errorf("nothing recognised in %q", text)
		}
		for _, id := range not {
			if slices.Contains(got, id) {
				t.Errorf("recognised %q in %q", got, text)
			}
		}
	}
}

func TestFactsFillTheCommands(t *testing.T) {
	const text = `User: arn:aws:sts::444455556666:assumed-role/ci/run is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/team/deploy
The config profile (prod) could not be found
No cluster found for name: dev.
Token expired: current date/time 1626271164 must be before the expiration date/time1626191469
system:serviceaccount:payments:api at arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC`
	want := map[string]map[string]string{
		"assume-role-denied": {"role": "arn:aws:iam::111122223333:role/team/deploy", "roleName": "deploy", "caller": "arn:aws:sts::444455556666:assumed-role/ci/run", "action": "sts:AssumeRole"},
		"profile-missing":    {"profile": "prod"},
		"cluster-not-found":  {"cluster": "dev", "region": "eu-west-1"},
		"token-expired": {"expiredFor": "22h8m15s", "namespace": "payments", "serviceAccount": "api", "account": "111122223333",
			"issuer": "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC", "issuerHost": "oidc.eks.eu-west-1.amazonaws.com/id/ABC"},
	}
	for _, m := range symptom.Recognise(text) {
		for key, value := range want[m.ID] {
			if m.Facts[key] != value {
				t.Errorf("%s: %s is %q, want %q", m.ID, key, m.Facts[key], value)
			}
		}
		delete(want, m.ID)
	}
	if len(want) > 0 {
		t.Errorf("not recognised: %v", want)
	}
}

// kube-apiserver's own tokens have an audience: what is said of them is that it is wrong.
func TestTheOrdinaryTokenIsACauseOfAWrongAudience(t *testing.T) {
	t.Parallel()
	for _, c := range symptom.Recognise("Incorrect token audience")[0].Causes {
		if strings.Contains(c.Why, "ordinary API token") && strings.Contains(c.Fix, "/var/run/secrets/eks.amazonaws.com/serviceaccount/token") {
			return
		}
	}
	t.Error("no such cause")
}
