package awslocal

import "strings"

// administratorAccess is AWS's managed policy that allows everything.
func administratorAccess(partition string) string {
	return "arn:" + partition + ":iam::aws:policy/AdministratorAccess"
}

// awsManaged finds the document of one of AWS's own managed policies.
//
// Source: "AWS managed policies for job functions" in the IAM user guide.
func awsManaged(arn string) (PolicyDocument, bool) {
	_, name, ok := strings.Cut(arn, ":iam::aws:policy/")
	if !ok {
		return "", false
	}
	switch name {
	case "AdministratorAccess":
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, true
	}
	return "", false
}
