package main

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/eksauth/eksauth/doctor/symptom"
	"github.com/eksauth/eksauth/internal/localtest"
	"github.com/eksauth/eksauth/sigv4"
)

func firstSymptom(text string) string {
	for _, m := range symptom.Recognise(text) {
		return m.ID
	}
	return ""
}

// What the local AWS answers, as the SDK for Go shows it, is recognised: its words
// are those of AWS.
func TestDoctorKnowsWhatTheLocalAWSAnswers(t *testing.T) {
	s := localtest.ServeDefault(t)
	ada := localtest.CredentialsOf(t, s.Store, localtest.AdaARN)
	wrong := ada
	wrong.SecretAccessKey += "x"
	whoAmI := func(c sigv4.Credentials) error {
		_, err := awssts.NewFromConfig(s.Config(c)).GetCallerIdentity(context.Background(), nil)
		return err
	}
	assume := func(role, session string) error {
		_, err := awssts.NewFromConfig(s.Of(t, localtest.AdaARN)).AssumeRole(context.Background(),
			&awssts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String(session)})
		return err
	}
	cluster := func(name string) error {
		_, err := eks.NewFromConfig(s.Of(t, localtest.AdaARN)).DescribeCluster(context.Background(), &eks.DescribeClusterInput{Name: aws.String(name)})
		return err
	}
	for want, err := range map[string]error{
		"key-unknown":          whoAmI(sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"}),
		"signature-mismatch":   whoAmI(wrong),
		"assume-role-denied":   assume("arn:aws:iam::111122223333:role/nosuch", "ada"),
		"role-arn-invalid":     assume("arn:aws:iam::111122223333:user/ada.lovelace", "ada"),
		"session-name-invalid": assume(localtest.RoleARN, "ada lovelace"),
		"cluster-not-found":    cluster("nosuch"),
	} {
		if err == nil {
			t.Errorf("%s: the local AWS refuses nothing", want)
			continue
		}
		if got := firstSymptom(err.Error()); got != want {
			t.Errorf("recognised %q, want %s, in\n%v", got, want, err)
		}
	}
	s.SetClock(time.Hour)
	if err := whoAmI(ada); err == nil || firstSymptom(err.Error()) != "clock-skew" {
		t.Errorf("want clock-skew in %v", err)
	}
}

// Every message that stands in package sts is recognised, but those that are about
// requests which no client that people use would make.
func TestDoctorKnowsTheMessagesOfSTS(t *testing.T) {
	exempt := []string{"Message is not valid"}
	messages := stsMessages(t, "errors.go", "weberrors.go", "assumerole.go", "authenticate.go", "authorizationmessage.go")
	if len(messages) < 8 {
		t.Fatalf("messages found: %q", messages)
	}
	for _, m := range messages {
		known := firstSymptom(m) != ""
		for _, e := range exempt {
			known = known || strings.Contains(m, e)
		}
		if !known {
			t.Errorf("not recognised: %s", m)
		}
	}
}

// stsMessages are the literal messages of files of package sts: those of an Error,
// constants whose name begins with message, and what is given to errDenied.
func stsMessages(t *testing.T, files ...string) []string {
	t.Helper()
	var all []string
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil && s != "" {
				all = append(all, s)
			}
		}
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), fmt.Sprintf("../../sts/%s", name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Message" {
					add(n.Value)
				}
			case *ast.ValueSpec:
				if strings.HasPrefix(n.Names[0].Name, "message") && n.Names[0].Name != "messagePrefix" && len(n.Values) == 1 {
					add(n.Values[0])
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "errDenied" || f.Name == "errIdentityToken") {
					add(n.Args[0])
				}
			}
			return true
		})
	}
	return all
}
