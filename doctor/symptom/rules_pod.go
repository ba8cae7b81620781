package symptom

// podRules are about credentials that a program did not find, or could not read.
var podRules = []rule{
	{
		id: "credentials-missing", group: "credentials", rank: broad, after: []string{"web-identity", "denied", "token-file", "pod-identity"},
		known: []pattern{
			"unable to locate credentials",                                // botocore
			"nocredentialserror",                                          // botocore
			"nocredentialproviders",                                       // Go v1
			"no valid providers in chain",                                 // Go v1
			"no valid credential sources",                                 // Terraform
			"no ec2 imds role found",                                      // Go v2
			"failed to refresh cached credentials … imds",                 // Go v2
			"could not load credentials from any providers",               // JavaScript v3
			"credential is missing",                                       // JavaScript v3
			"credentialserror: missing credentials in config",             // JavaScript v2
			"missing credentials in config",                               // JavaScript v2
			"unable to load aws credentials from any provider in the",     // Java v1
			"unable to load credentials from any of the providers in the", // Java v2
			"unable to get iam security credentials from ec2 instance metadata service",
			"the credential provider was not enabled", // Rust
		},
		title: "the program found no AWS credentials",
		means: "No source that the SDK knows had any: no variables, no token file, no profile, no container endpoint, no instance metadata.",
		cause: []Cause{
			{"in a pod: the service account has no annotation, or the pod is older than it", "eksauth doctor pod {namespace}/POD", "kubectl -n {namespace} annotate serviceaccount {serviceAccount} eks.amazonaws.com/role-arn={role}; " + recreate},
			{"in a pod: the webhook did not see it: it was down (failurePolicy: Ignore), or the namespace is left out", "kubectl -n {namespace} get pod POD -o yaml | grep -c AWS_WEB_IDENTITY_TOKEN_FILE", "kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml; then " + recreate},
			{"in a pod: the container is named in eks.amazonaws.com/skip-containers, or the pod runs under another service account", "kubectl -n {namespace} get pod POD -o jsonpath='{.spec.serviceAccountName} {.metadata.annotations}'", "name the service account in the pod's spec"},
			{"in a pod: the SDK is too old for web identity, or was told to use one source alone", showEnv, "a newer SDK, and its default chain"},
			{"on a machine: nobody signed in, or the profile is another", "aws configure list", "aws sso login --profile {profile}, or aws configure, or AWS_PROFILE"},
			{"under sudo, cron, systemd or in CI: the variables are not passed on", "env | grep ^AWS_ | cut -d= -f1 # there", "pass them on, or give the profile's name and HOME"},
		},
	},
	{
		id: "credentials-incomplete", group: "credentials",
		known: []pattern{"partial credentials found in", "emptystaticcreds", "static credentials are empty", "envaccesskeynotfound", "envsecretnotfound"},
		title: "there are credentials, but not all of them",
		means: "A variable or a profile has one half of a key. It comes before the pod's role, and so keeps it from being used.",
		cause: []Cause{
			{"an AWS_ variable is set to nothing, or only one of two is: a Secret, a chart's value", showEnv, "remove both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; the pod's role needs neither"},
			{"a profile has a key id and no secret", "aws configure list", "aws configure --profile {profile}"},
		},
	},
	{
		id: "node-role-used", rank: likely, group: "denied",
		known: []pattern{"assumed-role/ … /i-0* … is not authorized to perform", "'arn': 'arn:aws* … :assumed-role/ … /i-0*", "arn = 'arn:aws* … :assumed-role/ … /i-0*"},
		title: "the pod acts as the node",
		means: "{caller} is the role of the machine, by way of instance metadata. The pod's own role was not used.",
		cause: []Cause{
			{"the service account has no annotation, or the pod is older than it", "eksauth doctor pod {namespace}/POD", "kubectl -n {namespace} annotate serviceaccount {serviceAccount} eks.amazonaws.com/role-arn=arn:aws:iam::{account}:role/NAME; " + recreate},
			{"the webhook did not see the pod: it was down (failurePolicy: Ignore), or the namespace is left out", "kubectl -n {namespace} get pod POD -o yaml | grep -c AWS_WEB_IDENTITY_TOKEN_FILE", "kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml; then " + recreate},
			{"the SDK is too old for web identity, or the program asks instance metadata itself", showEnv, "a newer SDK, and its default chain"},
			{"pods can reach the node's metadata at all, which hides all of these", "aws ec2 describe-instances --query 'Reservations[].Instances[].MetadataOptions.HttpPutResponseHopLimit'", "a hop limit of 1: aws ec2 modify-instance-metadata-options --http-tokens required --http-put-response-hop-limit 1 --instance-id ID"},
		},
	},
	{
		id: "permission-missing", group: "denied", rank: broad,
		known: []pattern{"is not authorized to perform", "unauthorizedoperation", "because no identity-based policy allows"},
		title: "signed in, but not allowed to do this",
		means: "{caller} may not do {action}. Credentials are not the problem, unless they are not those that you expected.",
		cause: []Cause{
			{"no policy of the caller allows it, or one denies it", "aws iam simulate-principal-policy --policy-source-arn {caller} --action-names {action}", "allow {action} to it; the end of the message says which kind of policy is missing"},
			{"it is another identity than you expected", whoAmI, "for a pod, the role in the annotation of its service account: " + showSA},
		},
	},
}

// podSetupRules are about what a pod was given.
var podSetupRules = []rule{
	{
		id: "token-file-unreadable", group: "token-file",
		known: []pattern{
			"serviceaccount/token: permission denied", "token: permission denied",
			"permission denied: … serviceaccount/token", "permissionerror: … serviceaccount/token",
			"eacces … serviceaccount/token", "accessdeniedexception: … serviceaccount/token",
			"serviceaccount/token … (permission denied)", "serviceaccount/token' is denied",
			"can't open … serviceaccount/token': permission denied",
		},
		title: "the program may not read the token file",
		means: "The file belongs to root and the container runs as somebody else.",
		cause: []Cause{
			{"the container is not root, and the pod has no fsGroup", "kubectl -n {namespace} get pod POD -o jsonpath='{.spec.securityContext} {.spec.containers[*].securityContext}'", "securityContext: {fsGroup: 65534} in the pod's spec"},
			{"several containers run as different users, so that kubelet cannot give the file to one", "kubectl -n {namespace} get pod POD -o yaml | grep runAsUser", "the same, or one runAsUser for the pod"},
			{"the program changed its user after it started", "ps -o user,comm # in the container", "fsGroup, and that group for the user"},
		},
	},
	{
		id: "token-file-missing", group: "token-file",
		known: []pattern{
			"serviceaccount/token: no such file or directory", "unable to read file at … no such file or directory",
			"no such file or directory: … serviceaccount/token", "enoent … serviceaccount/token",
			"filenotfounderror: … serviceaccount/token", "nosuchfileexception: … serviceaccount/token",
			"serviceaccount/token … (no such file or directory)", "failed to read web identity token file",
		},
		title: "the token file is not there",
		means: "AWS_WEB_IDENTITY_TOKEN_FILE names a file that nobody put into the container.",
		cause: []Cause{
			{"the variables were set by hand, and the volume was not: the webhook leaves a container alone that has one of them", "kubectl -n {namespace} get pod POD -o yaml | grep -A3 aws-iam-token", "remove both variables from the manifest; " + recreate},
			{"the process runs outside the container's file system: a sidecar, nsenter, chroot", "ls -l $AWS_WEB_IDENTITY_TOKEN_FILE # there", "mount /var/run/secrets/eks.amazonaws.com/serviceaccount there"},
			{"Windows: the path is that of Linux, or the pod lacks the node selector kubernetes.io/os", showEnv, "nodeSelector: {kubernetes.io/os: windows}"},
		},
	},
	{
		id: "role-arn-missing", group: "token-file",
		known: []pattern{
			"role with web identity but has no role arn configured", "role arn is not set",
			"role arn not present", "environment variable aws_role_arn or the javaproperty", "web identity configuration not specified",
		},
		title: "there is a token file, and no role to go with it",
		means: "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not.",
		cause: []Cause{
			{"one of the two was set by hand; the webhook then sets neither", showEnv, "remove it from the manifest, so that the webhook sets both; " + recreate},
			{"the annotation is empty", showSA, "kubectl -n {namespace} annotate --overwrite serviceaccount {serviceAccount} eks.amazonaws.com/role-arn={role}"},
		},
	},
	{
		id: "java-sts-module-missing", group: "credentials",
		known: []pattern{"sts module must be on the class path", "'sts' service module must be on the class path", "sts' service module must be on the class path", "class path … stswebidentitycredentialsproviderfactory", "classnotfoundexception: … stswebidentitycredentialsproviderfactory", "to use assume role profiles the aws-java-sdk-sts module must be on the class path"},
		title: "the Java SDK cannot use web identity without its STS module",
		means: "The SDK goes on to the next source of credentials, perhaps the node's.",
		cause: []Cause{
			{"the module is not a dependency", "mvn dependency:tree | grep sts", "add software.amazon.awssdk:sts (v2) or com.amazonaws:aws-java-sdk-sts (v1), of the SDK's version"},
			{"it is there and was left out of the packaged jar", "jar tf app.jar | grep /sts/", "keep it: it is loaded by name, which minimisers do not see"},
		},
	},
	{
		id: "region-missing", group: "region",
		known: []pattern{
			"you must specify a region", "noregionerror", "missing region in config", "configerror: missing region",
			"region is missing", "missingregion", "could not find region configuration",
			"unable to find a region via the region provider chain", "unable to load region from any of the providers",
			"an aws region is required, but was not found", "invalid configuration: missing region", "missing aws region",
		},
		title: "the SDK does not know which region to ask",
		means: "Neither a variable nor a profile nor instance metadata says it.",
		cause: []Cause{
			{"in a pod, the webhook sets AWS_REGION only if it was told one", showEnv, "set AWS_REGION in the pod, or eksauthd webhook --aws-default-region REGION for all"},
			{"on a machine: the profile has none", "aws configure get region", "aws configure set region {region}, or AWS_REGION"},
		},
	},
}
