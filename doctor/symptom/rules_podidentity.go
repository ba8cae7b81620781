package symptom

const showAssociation = "aws eks list-pod-identity-associations --cluster-name {cluster} --namespace {namespace} --service-account {serviceAccount}"

// podIdentityRules are about EKS Pod Identity and its agent on the node.
var podIdentityRules = []rule{
	{
		id: "pod-identity-agent-unreachable", group: "pod-identity", rank: broad,
		known: []pattern{
			"169.254.170.23* … deadline exceeded", "169.254.170.23* … i/o timeout", "169.254.170.23* … connection refused", "169.254.170.23* … no route to host",
			"connect timeout on endpoint url: 'http://169.254.170.23*", "read timeout on endpoint url: 'http://169.254.170.23*", "could not connect to the endpoint url: 'http://169.254.170.23*",
			"econnrefused 169.254.170.23*", "etimedout 169.254.170.23*", "169.254.170.23* … timed out", "169.254.170.23* … operation was canceled",
			"v1/credentials' … connection refused", "could not connect to the endpoint url: 'http://* … v1/credentials'",
			"fd00:ec2::23* … deadline exceeded", "fd00:ec2::23* … i/o timeout", "fd00:ec2::23* … connection refused", "fd00:ec2::23* … unreachable",
		},
		title: "the pod cannot reach the Pod Identity agent",
		means: "The agent listens on the node, at 169.254.170.23 and [fd00:ec2::23], port 80, and did not answer.",
		cause: []Cause{
			{"the add-on is not installed, or not on this node", "kubectl -n kube-system get daemonset,pods -l app.kubernetes.io/name=eks-pod-identity-agent -o wide", "aws eks create-addon --cluster-name {cluster} --addon-name eks-pod-identity-agent"},
			{"a proxy is set, and the address is not left out", "kubectl -n {namespace} exec POD -- env | grep -i _proxy", "NO_PROXY=169.254.170.23,[fd00:ec2::23]"},
			{"a network policy, iptables rules of the node, or the CNI drop it", "kubectl -n {namespace} get networkpolicies", "allow egress to 169.254.170.23/32, port 80"},
			{"the agent itself waits for EKS, in a subnet without a way to it", "kubectl -n kube-system logs -l app.kubernetes.io/name=eks-pod-identity-agent", "a VPC endpoint for com.amazonaws.{region}.eks-auth"},
		},
	},
	{
		id: "pod-identity-agent-ipv6", group: "pod-identity",
		known: []pattern{"fd00:ec2::23]:80: bind: cannot assign requested address", "unable to start server: … fd00:ec2::23*", "fd00:ec2::23* … address family not supported"},
		title: "the Pod Identity agent does not start, because the node has no IPv6",
		means: "It listens on [fd00:ec2::23] as well, unless it is told not to.",
		cause: []Cause{
			{"IPv6 is off on the node", "sysctl net.ipv6.conf.all.disable_ipv6 # there", `aws eks update-addon --cluster-name {cluster} --addon-name eks-pod-identity-agent --configuration-values '{"agent":{"additionalArgs":{"-b":"169.254.170.23"}}}' --resolve-conflicts OVERWRITE`},
			{"the agent is old: newer ones leave it out in clusters of IPv4", "aws eks describe-addon --cluster-name {cluster} --addon-name eks-pod-identity-agent --query addon.addonVersion", "update the add-on"},
		},
	},
	{
		id: "pod-identity-port-taken", group: "pod-identity",
		known: []pattern{"169.254.170.23:80: bind: address already in use", "fd00:ec2::23]:80: bind: address already in use"},
		title: "something on the node has the Pod Identity agent's port",
		means: "Port 80 of the agent's address is taken: by a second agent, or by a program on the host's network that listens on all addresses.",
		cause: []Cause{{"an ingress or a proxy with hostNetwork or hostPort 80", "ss -ltnp 'sport = :80' # on the node", "give that one an address of its own, or another port"}},
	},
	{
		id: "pod-identity-role", group: "pod-identity",
		known: []pattern{"eks does not have permissions to assume the associated role"},
		title: "EKS may not assume the role of the Pod Identity association",
		means: "The role's trust policy must admit the service pods.eks.amazonaws.com, with two actions.",
		cause: []Cause{
			{"the trust policy is that of IRSA, or lacks sts:TagSession", showTrust, `"Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": ["sts:AssumeRole", "sts:TagSession"]`},
			{"a condition does not fit: aws:SourceAccount, aws:SourceArn, a tag", showTrust, "the cluster's own account and ARN"},
			{"the role was deleted, or deleted and made anew", showAssociation, "aws eks update-pod-identity-association --cluster-name {cluster} --association-id ID --role-arn {role}"},
			{"the pod is on the host's network, where another agent or metadata answers", "kubectl -n {namespace} get pod POD -o jsonpath={.spec.hostNetwork}", "hostNetwork: false"},
		},
	},
	{
		id: "pod-identity-association-missing", group: "pod-identity",
		known: []pattern{"no association found for the service account", "no association found for service account", "resourcenotfoundexception … pod identity association", "assumeroleforpodidentity … resourcenotfoundexception"},
		title: "no Pod Identity association for this service account",
		means: "The pod has Pod Identity's variables, and EKS knows of no role for {namespace}/{serviceAccount}.",
		cause: []Cause{
			{"the association was deleted, or is in another cluster", showAssociation, "aws eks create-pod-identity-association --cluster-name {cluster} --namespace {namespace} --service-account {serviceAccount} --role-arn {role}"},
			{"it was made after the pod, or seconds before", showAssociation, recreate},
		},
	},
	{
		id: "pod-identity-node-permission", group: "denied",
		known: []pattern{"not authorized to perform: eks-auth:assumeroleforpodidentity", "assumeroleforpodidentity … accessdeniedexception"},
		title: "the node may not ask for Pod Identity credentials",
		means: "The agent calls EKS with the node's role, which needs eks-auth:AssumeRoleForPodIdentity.",
		cause: []Cause{{"the node's role lacks the policy", "aws iam list-attached-role-policies --role-name {roleName}", "aws iam attach-role-policy --role-name {roleName} --policy-arn arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"}},
	},
	{
		id: "pod-identity-sdk-too-old", group: "pod-identity",
		known: []pattern{
			"169.254.170.23 is not a valid container metadata service hostname", // JavaScript v3
			"unsupported host '169.254.170.23'",                                 // botocore
			"invalid endpoint host, '169.254.170.23', only loopback hosts are allowed",
			"169.254.170.23* … only loopback hosts are allowed", // Go v1 and v2
			"host can only be one of … 169.254.170.23*",
			"the full uri … has an invalid host", // Java
		},
		title: "the SDK is too old for EKS Pod Identity",
		means: "It takes the agent's address for a mistake.",
		cause: []Cause{
			{"the SDK is from before December 2023", "the version in the lock file", "boto3 1.34.41, Go v2 2023-11-14, Go v1 1.47.11, JavaScript v3 3.458, v2 2.1550, Java v2 2.21.30, v1 1.12.746 or newer"},
			{"it cannot be updated", showEnv, "IRSA for this service account: the annotation eks.amazonaws.com/role-arn"},
		},
	},
	{
		id: "pod-identity-token-missing", group: "token-file",
		known: []pattern{"no such file or directory: … eks-pod-identity-token", "enoent … eks-pod-identity-token", "failed to read authorization token from … no such file or directory", "eks-pod-identity-token: no such file or directory"},
		title: "the file with the Pod Identity agent's token is not there",
		means: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names a file that nobody put into the container.",
		cause: []Cause{
			{"the variables were set by hand, or copied from another pod, and the volume was not", "kubectl -n {namespace} get pod POD -o yaml | grep -A3 eks-pod-identity-token", "remove both AWS_CONTAINER_ variables from the manifest; " + recreate},
			{"the process runs outside the container's file system: a sidecar, nsenter, chroot", "ls -l $AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE # there", "mount /var/run/secrets/pods.eks.amazonaws.com/serviceaccount there"},
		},
	},
	{
		id: "pod-identity-token-empty", group: "pod-identity",
		known: []pattern{"service account token cannot be empty"},
		title: "the SDK sent the Pod Identity agent no token",
		means: "It does not read AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, or read nothing.",
		cause: []Cause{
			{"the SDK knows only AWS_CONTAINER_AUTHORIZATION_TOKEN", showEnv, "a newer SDK"},
			{"the file is empty, or not readable for the user", "kubectl -n {namespace} exec POD -- sh -c 'ls -lL $AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'", "securityContext: {fsGroup: 65534} in the pod's spec"},
		},
	},
	{
		id: "pod-identity-proxy", group: "pod-identity",
		known: []pattern{"proxyconnect* … 169.254.170.23*", "169.254.170.23* … proxyconnect*", "failed to connect to proxy url … 169.254.170.23*", "169.254.170.23* … failed to connect to proxy url", "169.254.170.23* … cannot connect to proxy"},
		title: "the request to the Pod Identity agent went to a proxy",
		means: "HTTP_PROXY is set, and the agent's address is not left out of it. The proxy cannot reach an address of the node.",
		cause: []Cause{{"NO_PROXY lacks the agent's addresses", "kubectl -n {namespace} exec POD -- env | grep -i _proxy", "NO_PROXY=169.254.170.23,[fd00:ec2::23],169.254.169.254"}},
	},
}
