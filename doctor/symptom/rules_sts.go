package symptom

// stsRules are refusals of a session or of a call.
var stsRules = []rule{
	{
		id: "assume-role-denied", group: "denied",
		known: []pattern{"not authorized to perform: sts:assumerole", "not authorized to perform sts:assumerole"},
		title: "the caller may not assume the role",
		means: "{caller} asked for {role}. Its own policies must allow sts:AssumeRole on it, and the role's trust policy must name it; within one account the trust policy alone can do.",
		cause: []Cause{
			{"the trust policy does not name the caller", showTrust, `add to the trust policy: "Principal": {"AWS": "{caller}"}, "Action": "sts:AssumeRole"; of a session, the ARN of its role`},
			{"the caller's policies do not allow it", "aws iam simulate-principal-policy --policy-source-arn {caller} --action-names sts:AssumeRole --resource-arns {role}", "allow sts:AssumeRole on {role} to the caller"},
			{"the caller is not who you think: another profile, or variables left over", whoAmI, "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN, and name the profile"},
			{"the trust policy asks for more: an external id, MFA, tags, a source identity", showTrust, "give what its conditions ask for: --external-id, --serial-number with --token-code"},
			{"the role does not exist", "aws iam get-role --role-name {roleName}", "correct the ARN; a path is part of it"},
		},
	},
	{
		id: "tag-session-denied", group: "denied",
		known: []pattern{"not authorized to perform: sts:tagsession", "not authorized to perform sts:tagsession"},
		title: "the role may be assumed, but not with session tags",
		means: "The call carries session tags (EKS Pod Identity and CI systems add them), for which sts:TagSession must be allowed as well.",
		cause: []Cause{
			{"the trust policy allows sts:AssumeRole alone", showTrust, `"Action": ["sts:AssumeRole", "sts:TagSession"] in the trust policy`},
			{"the caller's policies do not allow sts:TagSession", whoAmI, "allow sts:TagSession on {role} to the caller, or send no tags"},
		},
	},
	{
		id: "source-identity-denied", group: "denied",
		known: []pattern{"not authorized to perform: sts:setsourceidentity", "not authorized to perform sts:setsourceidentity"},
		title: "the role may be assumed, but not with a source identity",
		means: "The session has a source identity, and sts:SetSourceIdentity is not allowed.",
		cause: []Cause{{"the trust policy allows sts:AssumeRole alone", showTrust, `"Action": ["sts:AssumeRole", "sts:SetSourceIdentity"] in the trust policy, and in the caller's policy`}},
	},
	{
		id: "mfa-refused", group: "denied",
		known: []pattern{"multifactorauthentication failed"},
		title: "the code of the MFA device was not accepted, or is missing",
		means: "STS wants the device's serial number and a code that was not used before.",
		cause: []Cause{
			{"the code was used already, or is old", "wait for the next code", "give a new one; each is good for one call"},
			{"the serial number is not that of a device of the caller", "aws iam list-mfa-devices", "set mfa_serial in the profile to the ARN that this prints"},
			{"the clock of the device is wrong", "aws iam list-mfa-devices", "aws iam resync-mfa-device"},
		},
	},
	{
		id: "root-assumes-role", group: "denied",
		known: []pattern{"roles may not be assumed by root accounts"},
		title: "the root user cannot assume roles",
		means: "The call is signed with a key of the account's root user.",
		cause: []Cause{{"the profile has a root key", whoAmI, "sign in as a user or a role, and delete the root key"}},
	},
	{
		id: "session-expired", group: "session",
		known: []pattern{"the security token included in the request is expired", "the provided token has expired", "expiredtoken", "requestexpired"},
		title: "the session has expired",
		means: "The temporary credentials were good once. Whoever made them did not make new ones. (This is not the token of a service account.)",
		cause: []Cause{
			{"the credentials were exported by hand, or stand in ~/.aws/credentials", "aws configure list", "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN; make new ones, or use a profile that does"},
			{"the program keeps credentials, in place of the provider that refreshes them", "does it work after a restart?", "give the SDK's client the provider and not its credentials"},
			{"the SSO session is over", "aws configure list", "aws sso login --profile {profile}"},
			{"the clock is fast", "date -u", "set it: chronyc makestep"},
		},
	},
	{
		id: "duration-too-long", group: "session",
		known: []pattern{"exceeds the maxsessionduration set for this role", "exceeds the 1 hour session limit for roles assumed by role chaining", "durationseconds exceeds"},
		title: "the session would be longer than the role allows",
		means: "A role has a longest session. A role that was assumed from another role's session has one hour, whatever it says.",
		cause: []Cause{
			{"the duration asked for is longer", "aws iam get-role --role-name {roleName} --query Role.MaxSessionDuration", "ask for less (--duration, duration_seconds), or aws iam update-role --role-name {roleName} --max-session-duration 43200"},
			{"it is a chain of roles", whoAmI, "ask for 3600 seconds at most"},
		},
	},
	{
		id: "throttled", group: "throttled",
		known: []pattern{"throttling: rate exceeded", "(throttling) when calling", "rate exceeded", "throttlingexception", "toomanyrequestsexception", "requestlimitexceeded"},
		title: "too many calls: AWS throttles",
		means: "The account made more calls than AWS takes. It is answered with HTTP 400, so some programs take it for a refusal.",
		cause: []Cause{
			{"each request makes credentials anew", "how many AssumeRole calls are there in CloudTrail?", "keep one client, whose provider caches; use regional endpoints: AWS_STS_REGIONAL_ENDPOINTS=regional"},
			{"the authenticator asks STS for each request of kubectl", "the log of the authenticator", "an authenticator that caches verified tokens, as eksauthd authenticator does"},
			{"many pods start at once", "kubectl get events -A", "AWS_RETRY_MODE=adaptive AWS_MAX_ATTEMPTS=10, and a slower rollout"},
		},
	},
	{
		id: "sts-unreachable", group: "web-identity",
		known: []pattern{
			"'https://sts.* … dial tcp … i/o timeout", "'https://sts.* … dial tcp … no such host", "'https://sts.* … dial tcp … connection refused", "'https://sts.* … dial tcp … no route to host",
			"could not connect to the endpoint url: 'https://sts.*", "connect timeout on endpoint url: 'https://sts.*", "read timeout on endpoint url: 'https://sts.*",
		},
		title: "STS cannot be reached",
		means: "This is the network and not who you are: no answer came.",
		cause: []Cause{
			{"the subnet has no way out, and the VPC has no endpoint for STS", "aws ec2 describe-vpc-endpoints --filters Name=service-name,Values=com.amazonaws.{region}.sts", "a VPC endpoint for com.amazonaws.{region}.sts, with private DNS, whose security group admits port 443 from the pods"},
			{"the SDK asks the global endpoint, sts.amazonaws.com, which a VPC endpoint is not for", showEnv, "AWS_STS_REGIONAL_ENDPOINTS=regional; the annotation eks.amazonaws.com/sts-regional-endpoints=true on the service account has the webhook set it"},
			{"a network policy, a security group or DNS stands between", "kubectl -n {namespace} get networkpolicies", "let the pods out to port 443, and to the cluster's DNS"},
			{"a proxy is needed, and the pod has none", "kubectl -n {namespace} exec POD -- env | grep -i _proxy", "HTTPS_PROXY, and NO_PROXY for the cluster's own addresses"},
		},
	},
	{
		id: "region-disabled", group: "session",
		known: []pattern{"regiondisabled*", "sts is not activated in this region for account"},
		title: "STS is not activated in this region",
		means: "The account has not switched the region on, or STS in it.",
		cause: []Cause{
			{"the region is one to opt in to", "aws account get-region-opt-status --region-name {region}", "aws account enable-region --region-name {region}"},
			{"STS is switched off there", "the console: IAM, Account settings, Endpoints", "activate the endpoint there, or use that of another region: AWS_REGION"},
		},
	},
}

// stsKeyRules are refusals of a signature or of the key that made it.
var stsKeyRules = []rule{
	{
		id: "clock-skew", group: "signature",
		known: []pattern{"signature expired: … is now earlier than", "signature expired", "signature not yet current", "requesttimetooskewed", "difference between the request time and the current time is too large"},
		title: "the clock is wrong, or the request is old",
		means: "The request was signed at a time that is too far from that of AWS: five minutes for some services, fifteen for STS.",
		cause: []Cause{
			{"the clock of the machine, a virtual machine or WSL most of all, is off", "date -u; curl -sI https://sts.amazonaws.com | grep -i ^date", "sudo chronyc makestep; on WSL: sudo hwclock -s"},
			{"the request waited: a token that was kept, a queue, a suspended laptop", "eksauth inspect - < TOKEN", "sign anew; a token is good for fifteen minutes"},
		},
	},
	{
		id: "signature-scope", group: "signature",
		known: []pattern{"credential should be scoped to a valid region", "credential should be scoped to correct service", "scope is for region"},
		title: "the request is signed for another region or service",
		means: "The region in the signature does not go with the endpoint.",
		cause: []Cause{
			{"the endpoint was set by hand, and the region is another", "env | grep -E '^AWS_(REGION|DEFAULT_REGION|ENDPOINT)'", "set AWS_REGION to the endpoint's; sts.amazonaws.com is us-east-1"},
			{"the old global endpoint is used with a region", "aws configure get sts_regional_endpoints", "AWS_STS_REGIONAL_ENDPOINTS=regional"},
		},
	},
	{
		id: "signature-mismatch", group: "signature", rank: broad,
		known: []pattern{"signaturedoesnotmatch", "the request signature we calculated does not match", "invalidsignatureexception", "incompletesignature", "incompletesignatureexception"},
		title: "the signature is not right",
		means: "The secret key does not go with the key id, or something changed the request after it was signed.",
		cause: []Cause{
			{"the secret key was copied with a character too few or too many", "aws configure list", "make a new key: aws iam create-access-key"},
			{"variables of two different keys are mixed", "env | grep ^AWS_ | cut -d= -f1", "set all three of a session, or none"},
			{"a proxy rewrites the request: host, path or headers", "env | grep -i _proxy", "keep AWS out of it: NO_PROXY=.amazonaws.com"},
		},
	},
	{
		id: "key-unknown", group: "signature",
		known: []pattern{"invalidclienttokenid", "the security token included in the request is invalid", "unrecognizedclientexception", "the aws access key id you provided does not exist in our records", "invalidaccesskeyid"},
		title: "AWS does not know the key",
		means: "The access key does not exist (any more), is inactive, or belongs to another partition; or a session's token is missing or not its own.",
		cause: []Cause{
			{"AWS_SESSION_TOKEN is missing beside a temporary key (ASIA…), or stays beside a long-term one (AKIA…)", "env | grep ^AWS_ | cut -d= -f1", "set all three of a session, or unset AWS_SESSION_TOKEN"},
			{"the key was deleted or deactivated", "aws iam list-access-keys --user-name NAME", "use one that is Active"},
			{"the partition is another: China, GovCloud", "aws configure get region", "a region of the partition that the key is of"},
			{"the region is one to opt in to, and the global endpoint's tokens are not for it", "aws account get-region-opt-status --region-name {region}", "AWS_STS_REGIONAL_ENDPOINTS=regional"},
			{"it is a key of eksauth local or of another emulator, and AWS itself was asked", "env | grep ^AWS_ENDPOINT_URL", ". DIR/env, which eksauth local writes"},
		},
	},
	{
		id: "not-signed", group: "signature",
		known: []pattern{"missingauthenticationtoken", "request is missing authentication token", "missing authentication token"},
		title: "the request is not signed",
		means: "It came without credentials, or something took the Authorization header away.",
		cause: []Cause{
			{"it was sent by a client that does not sign, as curl or a browser", "how is it called?", "use the aws CLI or an SDK, or curl --aws-sigv4"},
			{"the client signs nothing on purpose: --no-sign-request", "how is it called?", "leave it out"},
		},
	},
}

// stsPolicyRules are about names and documents that IAM and STS do not take.
var stsPolicyRules = []rule{
	{
		id: "role-arn-invalid", group: "validation",
		known: []pattern{"request arn is invalid", "at 'rolearn' failed to satisfy constraint", "invalid length for parameter rolearn", "(validationerror) when calling the assumerole* … is invalid", "operation error sts: assumerole* … validationerror … is invalid"},
		title: "what was given as a role is not the ARN of one",
		means: "STS wants arn:aws:iam::ACCOUNT:role/NAME.",
		cause: []Cause{
			{"a typo in the annotation: a space, quotation marks, a name alone, an account of eleven digits", showSA, "kubectl -n {namespace} annotate --overwrite serviceaccount {serviceAccount} eks.amazonaws.com/role-arn=arn:aws:iam::ACCOUNT:role/NAME; " + recreate},
			{"it is the ARN of a user, an instance profile or a session (assumed-role)", showEnv, "aws iam get-role --role-name {roleName} --query Role.Arn"},
			{"a variable in a template was not filled in", showSA, "look for $, {{ or ACCOUNT_ID in the value"},
		},
	},
	{
		id: "session-name-invalid", group: "validation",
		known: []pattern{"'rolesessionname' failed to satisfy constraint", "invalid length for parameter rolesessionname"},
		title: "STS does not take the name of the session",
		means: "It has 2 to 64 characters, of letters, digits and _=,.@-",
		cause: []Cause{
			{"it is made of something longer or with other characters: a pod's name, a mail address with +, a path", "env | grep AWS_ROLE_SESSION_NAME; grep role_session_name ~/.aws/config", "set AWS_ROLE_SESSION_NAME, cut to 64 characters, or leave it to the SDK"},
		},
	},
	{
		id: "policy-principal-invalid", group: "policy",
		known: []pattern{"invalid principal in policy"},
		title: "a trust policy names a principal that does not exist",
		means: "IAM looks each principal up when the policy is saved. A role or user must be there first; so must an OIDC provider.",
		cause: []Cause{
			{"the role or user is made later, or has just been made", "aws iam get-role --role-name {roleName}", "make it first; a new one is known after some seconds"},
			{"the ARN lacks the path, or is that of a session", showTrust, "write the ARN of the role as aws iam get-role prints it"},
			{"it was deleted: IAM shows its id (AROA…) in place of the ARN", showTrust, "write the ARN of what replaced it"},
		},
	},
	{
		id: "policy-malformed", group: "policy", rank: broad,
		known: []pattern{"malformedpolicydocument*", "policy document … is not valid json", "this policy contains invalid json"},
		title: "IAM cannot read the policy",
		means: "The document is not JSON, or not a policy. The rest of the message says where.",
		cause: []Cause{
			{"a comma, a brace, or a variable of a template that was not filled in", "jq . policy.json", "mend what jq complains of"},
			{"a trust policy has a Resource, or an identity policy a Principal", "jq .Statement policy.json", "a trust policy has Principal and no Resource"},
			{"a key is misspelt or in another case: Federated, Condition, StringEquals", "jq .Statement policy.json", "write it as IAM does; eksauth test FILE reads trust policies by the same rules"},
		},
	},
	{
		id: "policy-too-large", group: "policy",
		known: []pattern{"packedpolicytoolarge*", "packed policy consumes", "packed size of session tags consumes"},
		title: "session policies and tags are too large together",
		means: "STS packs both into a space that is not told; the message says how much of it they take.",
		cause: []Cause{
			{"the session policy is long", "wc -c policy.json", "name managed policies by ARN instead, or put it into the role"},
			{"there are many session tags, or long ones (EKS Pod Identity adds six)", "aws eks describe-pod-identity-association --cluster-name {cluster} --association-id ID", "send fewer; for Pod Identity: --disable-session-tags"},
		},
	},
	{
		id: "trust-policy-too-long", group: "policy",
		known: []pattern{"aclsizeperrole", "cannot exceed quota for aclsizeperrole"},
		title: "the trust policy is too long",
		means: "A role's trust policy has 2048 characters, or 4096 if AWS is asked. Whitespace does not count.",
		cause: []Cause{
			{"one statement for each cluster or service account", showTrust, "one statement for each provider, with a list of :sub values; or StringLike with a namespace"},
			{"one role for many clusters", showTrust, "a role for each, or EKS Pod Identity, whose trust policy names no cluster"},
			{"the quota is the default", "aws service-quotas get-service-quota --service-code iam --quota-code L-C07B4B0D", "aws service-quotas request-service-quota-increase --service-code iam --quota-code L-C07B4B0D --desired-value 4096"},
		},
	},
}
