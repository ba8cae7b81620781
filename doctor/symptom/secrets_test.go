package symptom_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/eksauth/eksauth/doctor/symptom"
)

// Each of these has a part that must not come back.
var secrets = []string{
	"k8s-aws-v1.aHR0cHM6Ly9zdHMHUSH",
	"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJTRUNSRVQifQ.HUSHsig",
	"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYHUSH",
	`"SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYHUSH"`,
	"aws_session_token = IQoJb3JpZ2luX2VjHUSH//////////wEaCXVzLWVhc3QtMSJHMEUCIQ",
	"<SessionToken>IQoJb3JpZ2luX2VjHUSH</SessionToken>",
	"Authorization: Bearer c2VjcmV0HUSHc2VjcmV0",
	"X-Amz-Security-Token=IQoJHUSH%2F&X-Amz-Signature=HUSH0123",
	"AKIAHUSHHUSH1234",
	"-----BEGIN RSA PRIVATE KEY-----\nMIIHUSH\nabcHUSH\n-----END RSA PRIVATE KEY-----",
	"password: HUSH",
	"client-key-data: U0VDUkVUHUSH",
	"https://ada:HUSH@oidc.eks.us-east-1.amazonaws.com/id/ABC",
}

// A secret may stand anywhere: before a message, after it, within it, and where a
// name is expected.
func TestSecretsDoNotComeBack(t *testing.T) {
	for _, w := range wordings(t) {
		for _, secret := range secrets {
			for _, text := range []string{
				secret + "\n" + w.text, w.text + " " + secret, strings.ReplaceAll(w.text, ": ", ": "+secret+" "),
				strings.ReplaceAll(w.text, "://", "://"+secret), "--profile " + secret + " " + w.text,
			} {
				out, err := json.Marshal(symptom.Recognise(text))
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(out), "HUSH") || strings.Contains(string(out), "bPxRfi") {
					t.Fatalf("%q comes back from\n%s\nin\n%s", secret, text, out)
				}
			}
		}
	}
}

// The worst that 64 KiB can be: the beginnings of messages without their ends.
func TestTimeIsBounded(t *testing.T) {
	var heads strings.Builder
	for _, m := range symptom.Known() {
		head, _, _ := strings.Cut(m.Excerpt, " … ")
		heads.WriteString(head + " ")
	}
	texts := []string{heads.String(), "calling webhook ", "169.254.170.23 ", "assumed-role/ /i-0", "arn:aws:iam::111122223333:role/", "eyJ.", `\\\`, "\x1b[", "a: ", strings.Repeat("https://", 3) + "@"}
	for _, text := range texts {
		text = strings.Repeat(text, symptom.MaxText/len(text)+1)
		start := time.Now()
		symptom.Recognise(text)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%.20q took %v", text, took)
		}
	}
}

func FuzzRecognise(f *testing.F) {
	for _, w := range wordings(f) {
		f.Add(w.text)
	}
	for _, s := range secrets {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range symptom.Recognise(text) {
			if m.ID == "" || m.Excerpt == "" || len(m.Causes) == 0 || m.Facts == nil {
				t.Errorf("not whole: %+v", m)
			}
			// What is put into commands is safe in a shell.
			for key, value := range m.Facts {
				if strings.ContainsAny(value, " \t\n\"'`$;&|<>(){}[]*?!\\#") {
					t.Errorf("%s is %q", key, value)
				}
			}
		}
	})
}
