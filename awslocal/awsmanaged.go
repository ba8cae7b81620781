package awslocal

import (
	"strings"
	"time"
)

// awsAccount owns AWS's managed policies, as their ARNs have it.
const awsAccount = "aws"

// administratorAccess is AWS's managed policy that allows everything.
func administratorAccess(partition string) string {
	return "arn:" + partition + ":iam::aws:policy/AdministratorAccess"
}

// AWSPolicies are those of AWS's own managed policies that clusters and their
// operators are commonly given, in the order of their names. What they say of
// services that are not here is abridged: nothing here asks for it.
//
// Source: "AWS managed policies for job functions" in the IAM user guide and "AWS
// managed policies for Amazon Elastic Kubernetes Service" in the EKS user guide.
func AWSPolicies() []PolicyRecord {
	list := []struct{ path, name, statement string }{
		{"/", "AdministratorAccess", `{"Effect":"Allow","Action":"*","Resource":"*"}`},
		{"/", "AmazonEC2ContainerRegistryReadOnly", allowing("ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer",
			"ecr:GetRepositoryPolicy", "ecr:DescribeRepositories", "ecr:ListImages", "ecr:DescribeImages", "ecr:BatchGetImage")},
		{"/", "AmazonEKSClusterPolicy", allowing("autoscaling:Describe*", "ec2:Describe*", "elasticloadbalancing:*", "kms:DescribeKey")},
		{"/", "AmazonEKSWorkerNodePolicy", allowing("ec2:DescribeInstances", "ec2:DescribeInstanceTypes", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups",
			"ec2:DescribeSubnets", "ec2:DescribeVolumes", "ec2:DescribeVpcs", "eks:DescribeCluster", "eks-auth:AssumeRoleForPodIdentity")},
		{"/", "AmazonEKS_CNI_Policy", allowing("ec2:AssignPrivateIpAddresses", "ec2:AttachNetworkInterface", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
			"ec2:DescribeInstances", "ec2:DescribeTags", "ec2:DescribeNetworkInterfaces", "ec2:DescribeInstanceTypes", "ec2:DescribeSubnets",
			"ec2:DetachNetworkInterface", "ec2:ModifyNetworkInterfaceAttribute", "ec2:UnassignPrivateIpAddresses")},
		{"/", "AmazonS3FullAccess", allowing("s3:*", "s3-object-lambda:*")},
		{"/", "AmazonS3ReadOnlyAccess", allowing("s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*")},
		{"/", "AmazonSSMManagedInstanceCore", allowing("ssm:GetParameter", "ssm:GetParameters", "ssm:UpdateInstanceInformation", "ssmmessages:*", "ec2messages:*")},
		{"/", "IAMFullAccess", allowing("iam:*", "organizations:DescribeAccount", "organizations:DescribeOrganization", "organizations:ListPolicies")},
		{"/", "IAMReadOnlyAccess", allowing("iam:GenerateCredentialReport", "iam:GenerateServiceLastAccessedDetails", "iam:Get*", "iam:List*",
			"iam:SimulateCustomPolicy", "iam:SimulatePrincipalPolicy")},
		{"/", "PowerUserAccess", `{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},` +
			allowing("account:GetAccountInformation", "account:ListRegions", "iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole", "iam:ListRoles", "organizations:DescribeOrganization")},
		{"/service-role/", "AmazonEBSCSIDriverPolicy", allowing("ec2:CreateSnapshot", "ec2:AttachVolume", "ec2:DetachVolume", "ec2:ModifyVolume", "ec2:Describe*", "ec2:CreateVolume", "ec2:DeleteVolume")},
	}
	began := time.Date(2015, 2, 6, 18, 39, 46, 0, time.UTC)
	var policies []PolicyRecord
	for _, p := range list {
		document := PolicyDocument(`{"Version":"2012-10-17","Statement":[` + p.statement + `]}`)
		policies = append(policies, PolicyRecord{
			Account: awsAccount, Name: p.name, Path: p.path, ID: policyIDPrefix + strings.ToUpper(p.name), Default: firstVersion,
			Versions: []VersionRecord{{firstVersion, document, began}}, Created: began, Updated: began,
		})
	}
	return policies
}

func allowing(actions ...string) string {
	return `{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}`
}

// awsManaged finds the document of one of AWS's own managed policies, as the
// accounts of a partition have it.
func awsManaged(partition, policyARN string) (PolicyDocument, bool) {
	for _, p := range AWSPolicies() {
		if p.ARN(partition) == policyARN {
			return p.Document(), true
		}
	}
	return "", false
}
