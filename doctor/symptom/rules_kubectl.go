package symptom

const (
	tokenWho   = "eksauth token -i {cluster} | eksauth verify -i {cluster} -"
	doctorUser = "eksauth doctor user {caller} # as somebody who is admitted; whoever you are: aws sts get-caller-identity"
	newConfig  = "eksauth kubeconfig --name {cluster}"
)

// kubectlRules are answers of an API server, and of the authenticator behind it.
var kubectlRules = []rule{
	{
		id: "unauthorized", group: "sign-in", rank: broad,
		known: []pattern{
			"you must be logged in to the server",
			"the server has asked for the client to provide credentials",
			"error: unauthorized",
			"'reason': 'unauthorized'", "'reason':'unauthorized'",
			"kubernetes cluster unreachable: unauthorized",
			"failed to get api group resources: unauthorized",
		},
		title: "the API server does not know who you are",
		means: "It got a token and did not accept it, or nobody in the cluster's mappings goes with it. For safety it does not say which.",
		cause: []Cause{
			{"the token is of another identity than you think: profile, variables, the role in the kubeconfig", tokenWho, "name the profile in the kubeconfig: eksauth kubeconfig --name {cluster} --profile {profile}"},
			{"the identity is not mapped: neither in aws-auth nor by an access entry", doctorUser, "eksauth map add, as somebody who is admitted; or aws eks create-access-entry --cluster-name {cluster} --principal-arn ARN"},
			{"aws-auth has the role with its path, or as assumed-role, or an SSO role under an old suffix", "eksauth map lint", "write arn:aws:iam::{account}:role/NAME, without the path"},
			{"the token is for another cluster: the name in the kubeconfig is not the cluster's", "kubectl config view --minify", newConfig},
			{"the token has expired, or the clock is wrong", "eksauth token -i {cluster} | eksauth inspect -", "sign anew for each request: exec in the kubeconfig, in place of a token; in Terraform the exec block in place of aws_eks_cluster_auth"},
			{"on a cluster of your own: the API server does not ask the authenticator", "grep webhook-config-file /etc/kubernetes/manifests/kube-apiserver.yaml", "eksauthd init writes the file; then restart kube-apiserver"},
		},
	},
	{
		id: "node-unauthorized", group: "sign-in",
		known: []pattern{"unable to register node … with api server … unauthorized", "unable to register node with api server … unauthorized", "failed to ensure lease exists … unauthorized", "failed to ensure node lease exists … unauthorized", "waiting for csinode publishing: unauthorized", "error updating node status … unauthorized", "failed to list *v1beta1.csidriver: unauthorized", "failed to list *v1.node: unauthorized", "failed to list *v1.csidriver: unauthorized", "failed to list *v1.runtimeclass: unauthorized"},
		title: "the cluster does not let the node in",
		means: "kubelet signs in with the role of the machine, which is not mapped, or not to a node's groups.",
		cause: []Cause{
			{"aws-auth lacks the node's role, or names its instance profile", "eksauth map list", "map it to system:node:{{EC2PrivateDNSName}} with the groups system:bootstrappers and system:nodes"},
			{"the cluster uses access entries, and there is none for the role", "aws eks list-access-entries --cluster-name {cluster}", "aws eks create-access-entry --cluster-name {cluster} --principal-arn {role} --type EC2_LINUX"},
			{"the node asks for another cluster than its name says", "cat /etc/eks/bootstrap.sh.args; journalctl -u kubelet", "give bootstrap the cluster's name"},
		},
	},
	{
		id: "identity-not-mapped", group: "sign-in",
		known: []pattern{"arn is not mapped", "arn:aws* … is not mapped", "identity is not mapped"},
		title: "the token is good, and nobody in the cluster goes with it",
		means: "The authenticator says so in its log: STS knows {caller}, and no mapping does.",
		cause: []Cause{
			{"it was never mapped", "eksauth doctor user {caller}", "eksauth map add, or aws eks create-access-entry"},
			{"its mapping has the role's path, another account, or an old SSO suffix", "eksauth map explain {caller}; eksauth map lint", "write it as the log has it"},
			{"the mappings were not read: one typo in aws-auth makes some authenticators drop all", "eksauth map lint", "mend what it names"},
		},
	},
	{
		id: "anonymous-forbidden", group: "forbidden",
		known: []pattern{"user 'system:anonymous' cannot", "forbidden: user 'system:anonymous'"},
		title: "the request came without a token",
		means: "The API server took it for nobody's: the kubeconfig has no credentials for this cluster, or the client did not send them.",
		cause: []Cause{
			{"the context has no user, or a user without exec", "kubectl config view --minify", newConfig},
			{"Terraform: the provider has a host and neither token nor exec", "the provider block", "an exec block with command eksauth and args [token, -i, {cluster}]"},
		},
	},
	{
		id: "rbac-forbidden", group: "forbidden", rank: broad,
		known: []pattern{"is forbidden: user … cannot", "error from server (forbidden)", "forbidden: user … cannot"},
		title: "signed in, but not allowed to do this",
		means: "The token was accepted and made the user {user}. What that user may do is RBAC's, and it does not include this.",
		cause: []Cause{
			{"no binding names the user or one of its groups", "kubectl auth whoami; kubectl auth can-i --list", "kubectl create clusterrolebinding NAME --clusterrole view --user {user}, as an admin"},
			{"the mapping gives other groups than you think, or an earlier one wins", "eksauth map list", "eksauth map add with --group; of two entries for one ARN the first is used"},
			{"an access entry has no access policy", "aws eks list-associated-access-policies --cluster-name {cluster} --principal-arn ARN", "aws eks associate-access-policy"},
		},
	},
}

// kubectlSetupRules are about what kubectl runs, before it asks anybody.
var kubectlSetupRules = []rule{
	{
		id: "exec-api-removed", group: "exec",
		known: []pattern{"exec plugin: invalid apiversion", "invalid apiversion 'client.authentication.k8s.io*"},
		title: "kubectl does not know the version that the kubeconfig names",
		means: "client.authentication.k8s.io/v1alpha1 was removed in Kubernetes 1.24; v1 came with 1.22.",
		cause: []Cause{
			{"the kubeconfig was written by an old aws CLI or aws-iam-authenticator", "kubectl config view --minify | grep client.authentication", newConfig + "; or write v1beta1 into it"},
			{"kubectl, or a tool that has client-go in it (Helm, Terraform, a plugin), is too old for v1", "kubectl version --client", "v1beta1 in the kubeconfig works for old and new"},
		},
	},
	{
		id: "exec-api-mismatch", group: "exec",
		known: []pattern{"is configured to use api version … plugin returned version", "no kind 'execcredential' is registered for version"},
		title: "the kubeconfig and the program that makes tokens speak different versions",
		means: "The program must answer in the version that the kubeconfig names, which it finds in KUBERNETES_EXEC_INFO.",
		cause: []Cause{
			{"the program is old and always answers v1alpha1", "aws --version", "aws CLI 1.24 or 2.7 or newer; or command: eksauth, which answers what it is asked for"},
			{"the kubeconfig names a version that the program does not make", "kubectl config view --minify | grep client.authentication", "write client.authentication.k8s.io/v1beta1"},
			{"a wrapper prints a fixed document", "the command in the kubeconfig", "print the apiVersion of KUBERNETES_EXEC_INFO"},
		},
	},
	{
		id: "exec-not-found", group: "exec",
		known: []pattern{"executable aws not found", "executable aws-iam-authenticator not found", "executable eksauth not found", "executable heptio-authenticator-aws not found", "you are trying to use a client-go credential plugin that is not installed", "getting credentials: exec: … executable file not found in", "getting credentials: exec: fork/exec … no such file or directory"},
		title: "the program that makes tokens is not there",
		means: "kubectl looks for it in PATH, and that of a desktop program, of CI or of a container is often shorter than yours.",
		cause: []Cause{
			{"it is not installed", "command -v aws aws-iam-authenticator eksauth", "install it; eksauth takes the place of both: command: eksauth in the kubeconfig"},
			{"it is, and PATH is another (Lens, an IDE, cron, sudo)", "kubectl config view --minify | grep command", "write the whole path after command:"},
		},
	},
	{
		id: "exec-failed", rank: wrapper, group: "exec",
		known: []pattern{"exec: executable … failed with exit code", "getting credentials: exec"},
		title: "the program that makes tokens failed",
		means: "Why stands above, in its own words. Of the aws CLI, 255 is no credentials, no region or a bad profile; 254 that AWS refused; 1 a wrong command line.",
		cause: []Cause{
			{"another message says it", "run the command of the kubeconfig by hand: kubectl config view --minify", "paste what it prints"},
		},
	},
	{
		id: "sso-expired", group: "credentials",
		known: []pattern{
			"error loading sso token", "token has expired and refresh failed", "error when retrieving token from sso",
			"the sso session associated with this profile", "refresh cached sso token failed", "the sso session has expired or is invalid",
			"unable to load sso token", "token is expired. to refresh this sso session", "sso access token has either expired or is otherwise invalid",
			"failed to read cached sso token file", "unauthorizedexception: session token not found or invalid", "ssoproviderinvalidtoken",
		},
		title: "the SSO session is over, or never began",
		means: "The profile signs in by IAM Identity Center, and its session is not there or has expired.",
		cause: []Cause{
			{"it has expired", "ls -l ~/.aws/sso/cache", "aws sso login --profile {profile}"},
			{"another profile or start URL was signed in to", "aws configure list-profiles; grep -A4 sso ~/.aws/config", "aws sso login --profile {profile}, the one that the kubeconfig names in AWS_PROFILE"},
			{"kubectl runs as another user, or with another HOME", "echo $HOME # there", "the same HOME, or sign in there"},
		},
	},
	{
		id: "profile-missing", group: "credentials",
		known: []pattern{"the config profile … could not be found", "the aws profile … does not exist", "failed to get shared config profile", "sharedconfigprofilenotexist*", "profile file … could not be found", "could not resolve credentials using profile", "profile … could not be found or parsed in shared credentials file"},
		title: "there is no such profile",
		means: "Nothing in ~/.aws/config or ~/.aws/credentials has this name.",
		cause: []Cause{
			{"AWS_PROFILE, the kubeconfig or the provider block names one of another machine, or misspells it", "aws configure list-profiles; echo $AWS_PROFILE", "take one of the list: eksauth kubeconfig --name {cluster} --profile NAME"},
			{"the section is [NAME] in config, where it must be [profile NAME]", "grep -n '^\\[' ~/.aws/config ~/.aws/credentials", "[profile NAME] in config, [NAME] in credentials"},
			{"HOME or AWS_CONFIG_FILE is another (sudo, CI, a container)", "echo $HOME $AWS_CONFIG_FILE", "set it, or use variables and no profile"},
		},
	},
	{
		id: "kubeconfig-empty", group: "sign-in",
		known: []pattern{"the connection to the server localhost:8080 was refused", "dial tcp 127.0.0.1:80: connect: connection refused", "dial tcp [::1]:80: connect: connection refused", "no configuration has been provided, try setting kubernetes_master", "current-context is not set"},
		title: "there is no kubeconfig, so localhost was asked",
		means: "The client found no cluster, and fell back to its default.",
		cause: []Cause{
			{"there is no kubeconfig, or KUBECONFIG names another file", "echo $KUBECONFIG; kubectl config get-contexts", newConfig},
			{"Terraform: the provider's host is not known yet, because the cluster is made in the same run, or was destroyed", "terraform state list", "configure the provider from a data source, or make the cluster in a run of its own"},
		},
	},
	{
		id: "api-server-unreachable", group: "sign-in",
		known: []pattern{"unable to connect to the server: dial tcp", "eks.amazonaws.com … no such host", "eks.amazonaws.com … i/o timeout", "unable to connect to the server: net/http: tls handshake timeout", "eks.amazonaws.com … context deadline exceeded"},
		title: "the API server cannot be reached",
		means: "This is the network and not who you are: no answer came.",
		cause: []Cause{
			{"the endpoint is private, and you are outside of the VPC", "aws eks describe-cluster --name {cluster} --query cluster.resourcesVpcConfig", "a VPN or a host inside, or a public endpoint with your address among its CIDRs"},
			{"the cluster was made anew, so its address is another", "kubectl config view --minify | grep server", newConfig},
			{"a security group or a proxy", "env | grep -i _proxy", "let port 443 through"},
		},
	},
	{
		id: "api-server-ca", group: "sign-in",
		known: []pattern{"unable to connect to the server: x509: certificate signed by unknown authority", "unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		title: "the API server's certificate is not signed by the authority in the kubeconfig",
		means: "It is another cluster than the kubeconfig was written for, or somebody stands between.",
		cause: []Cause{
			{"the cluster was made anew under the same name", "kubectl config view --minify --raw | grep certificate-authority", newConfig},
			{"a proxy opens TLS", "env | grep -i _proxy", "NO_PROXY=.eks.amazonaws.com"},
		},
	},
}
