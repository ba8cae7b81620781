package iam_test

import (
	"fmt"
	"log"

	"github.com/eksauth/eksauth/iam"
)

func ExampleEvaluate() {
	policy, err := iam.Parse([]byte(`{
		"Version": "2012-10-17",
		"Statement": [{
			"Effect": "Allow",
			"Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example/id/1"},
			"Action": "sts:AssumeRoleWithWebIdentity",
			"Condition": {"StringEquals": {"oidc.example/id/1:sub": "system:serviceaccount:payments:api"}}
		}]
	}`), iam.TrustPolicy)
	if err != nil {
		log.Fatal(err)
	}
	request := iam.Request{
		Action: "sts:AssumeRoleWithWebIdentity",
		Caller: iam.Caller{Federated: "arn:aws:iam::111122223333:oidc-provider/oidc.example/id/1"},
	}
	request.Context.Set("oidc.example/id/1:sub", "system:serviceaccount:default:api")
	fmt.Println(iam.Evaluate(policy, request))

	request.Context.Set("oidc.example/id/1:sub", "system:serviceaccount:payments:api")
	fmt.Println(iam.Evaluate(policy, request))
	// Output:
	// implicitly denied: Statement[0]: Condition StringEquals "oidc.example/id/1:sub": want "system:serviceaccount:payments:api", found "system:serviceaccount:default:api"
	// allowed: Statement[0]: Allow applies, it names the caller
}
