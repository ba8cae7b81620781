package symptom

// What is asked again and again.
const (
	showTrust = "aws iam get-role --role-name {roleName} --query Role.AssumeRolePolicyDocument"
	showSA    = "kubectl -n {namespace} get serviceaccount {serviceAccount} -o yaml"
	showToken = "kubectl -n {namespace} create token {serviceAccount} --audience sts.amazonaws.com | eksauth inspect -"
	showEnv   = "kubectl -n {namespace} exec POD -- env | grep ^AWS_ | grep -vE 'SECRET|TOKEN='" // what it prints may be pasted somewhere
	recreate  = "create the pod anew: kubectl -n {namespace} rollout restart deployment NAME"
	whoAmI    = "aws sts get-caller-identity"
)

// webIdentityRules are refusals of AssumeRoleWithWebIdentity that are about the
// role or its provider.
var webIdentityRules = []rule{
	{
		id: "web-identity-denied", group: "denied",
		known: []pattern{
			"not authorized to perform sts:assumerolewithwebidentity",
			"not authorized to perform: sts:assumerolewithwebidentity",
			"(accessdenied) when calling the assumerolewithwebidentity operation",
		},
		title: "STS does not give the role to this service account",
		means: "The token is good, but the trust policy of the role does not admit it. Or there is no such role: STS answers the same, so as not to tell.",
		cause: []Cause{
			{"the :sub condition names another namespace or service account", "eksauth doctor serviceaccount {namespace}/{serviceAccount}", `"{issuerHost}:sub" must be "system:serviceaccount:{namespace}:{serviceAccount}", letter for letter`},
			{"the role in the annotation does not exist, or has a typo or another account", "aws iam get-role --role-name {roleName} --query Role.Arn", "write the ARN that this prints, with its path, into the annotation eks.amazonaws.com/role-arn"},
			{"the policy has * or ? under StringEquals", showTrust, "put patterns under StringLike"},
			{"the provider, or the condition keys, are of another cluster, begin with https://, or say oidc.REGION.eks for oidc.eks.REGION", "aws eks describe-cluster --name {cluster} --query cluster.identity.oidc.issuer", "use that issuer without https://, in Principal.Federated (arn:aws:iam::{account}:oidc-provider/{issuerHost}) and in each condition key"},
			{"the value of :sub stands under :aud, or the other way round", showTrust, `":aud" is "sts.amazonaws.com", ":sub" is "system:serviceaccount:{namespace}:{serviceAccount}"`},
			{"the statement allows sts:AssumeRole, or its Principal is not Federated", showTrust, `"Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": "arn:aws:iam::{account}:oidc-provider/{issuerHost}"}`},
		},
	},
	{
		id: "oidc-provider-missing", group: "web-identity",
		known: []pattern{"no openidconnect provider found in your account for", "no openidconnect provider found"},
		title: "IAM does not know the issuer of the token",
		means: "The account of the role has no OIDC provider for {issuer}.",
		cause: []Cause{
			{"the provider was never created, or for an older cluster's issuer", "aws iam list-open-id-connect-providers", "aws iam create-open-id-connect-provider --url {issuer} --client-id-list sts.amazonaws.com"},
			{"the provider is in another account than the role", "aws sts get-caller-identity --query Account # is it the account in the role's ARN?", "create the provider in the role's account ({account})"},
			{"the URL differs, by a slash at its end or by letters in another case", "aws iam list-open-id-connect-providers", "delete that provider and create it with the URL as the token has it: {issuer}"},
		},
	},
	{
		id: "issuer-keys-unreachable", group: "web-identity",
		known: []pattern{"couldn't retrieve verification key from your identity provider", "could not retrieve verification key from your identity provider"},
		title: "STS could not get the issuer's keys",
		means: "STS asks the issuer itself, over the Internet, and got no usable answer from {issuer}.",
		cause: []Cause{
			{"it passes: STS waits for the issuer only a short while", "try again", "retry with back-off; SDKs do for this error"},
			{"the issuer is not reachable from the Internet: private DNS, a firewall, a bucket that is not public", "curl -sS {issuer}/.well-known/openid-configuration # from outside", "publish the discovery document and its jwks_uri where anybody can read them"},
			{"the certificate is not one that the public trusts, has expired, or its chain is incomplete", "openssl s_client -connect HOST:443 -servername HOST -verify_return_error </dev/null", "serve a whole chain of a public authority, or register its thumbprint with the provider"},
			{"the discovery document or the key set is not what it must be", "curl -sS {issuer}/.well-known/openid-configuration # then its jwks_uri", `"issuer" must be {issuer}; on a cluster of your own, eksauthd issuer writes both documents`},
		},
	},
	{
		id: "issuer-thumbprint", group: "web-identity",
		known: []pattern{"https certificate doesn't match configured thumbprint", "certificate does not match configured thumbprint"},
		title: "the certificate of the issuer is not the one that the provider pins",
		means: "IAM keeps the thumbprint of the authority that signed the issuer's certificate, and it is another now.",
		cause: []Cause{
			{"the chain of certificates has changed", "aws iam get-open-id-connect-provider --open-id-connect-provider-arn arn:aws:iam::{account}:oidc-provider/{issuerHost} --query ThumbprintList", "aws iam update-open-id-connect-provider-thumbprint --open-id-connect-provider-arn arn:aws:iam::{account}:oidc-provider/{issuerHost} --thumbprint-list SHA1"},
			{"the thumbprint is that of the server's certificate, in place of the last one that it sends", "openssl s_client -connect HOST:443 -servername HOST -showcerts </dev/null", "take the SHA-1 fingerprint of the last certificate of the chain"},
		},
	},
	{
		id: "idp-communication", group: "web-identity",
		known: []pattern{"idpcommunicationerror*"},
		title: "STS had no answer from the identity provider in time",
		means: "It could not be reached, or was too slow. STS says that a retry may help.",
		cause: []Cause{
			{"it passes", "try again", "retry with back-off"},
			{"the issuer is slow, or limits whoever asks", "time curl -sS {issuer}/.well-known/openid-configuration", "serve both documents from storage or a cache that answers within a second"},
		},
	},
	{
		id: "idp-rejected-claim", group: "web-identity",
		known: []pattern{"idprejectedclaim*"},
		title: "the identity provider did not accept the claim",
		means: "The provider said no: the token was revoked or has expired, or something that the provider requires is not there.",
		cause: []Cause{
			{"the token has expired or was revoked", "eksauth inspect - < TOKEN_FILE", "get a new token, then assume the role again"},
			{"the token is an access token of a login provider, in place of an ID token", "eksauth inspect - < TOKEN_FILE", "send the ID token"},
		},
	},
	{
		id: "web-identity-failed", rank: wrapper, group: "web-identity",
		known: []pattern{"webidentityerr", "operation error sts: assumerolewithwebidentity", "when calling the assumerolewithwebidentity operation", "failed to assume role with web identity"},
		title: "AssumeRoleWithWebIdentity failed",
		means: "This is what the SDK was doing. Why it failed stands in the line after it, or after \"caused by\".",
		cause: []Cause{
			{"another message says it", "eksauth assume --role-arn {role} --web-identity-token-file FILE", "paste all lines of the error"},
		},
	},
}

// webTokenRules are refusals that are about the token itself.
var webTokenRules = []rule{
	{
		id: "audience-refused", group: "web-identity",
		known: []pattern{"incorrect token audience"},
		title: "the provider does not take tokens for this audience",
		means: "The token's aud is not among the client ids of the OIDC provider in IAM.",
		cause: []Cause{
			{"the provider's list lacks sts.amazonaws.com", "aws iam get-open-id-connect-provider --open-id-connect-provider-arn arn:aws:iam::{account}:oidc-provider/{issuerHost} --query ClientIDList", "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn arn:aws:iam::{account}:oidc-provider/{issuerHost} --client-id sts.amazonaws.com"},
			{"the token is the ordinary API token of the service account (/var/run/secrets/kubernetes.io/serviceaccount/token): its audience is the API server's, mostly the issuer itself", "eksauth inspect - < TOKEN_FILE", "use the projected one, AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/secrets/eks.amazonaws.com/serviceaccount/token; if it is not there: kubectl -n {namespace} annotate serviceaccount {serviceAccount} eks.amazonaws.com/role-arn={role}, and make the pod anew"},
			{"the token is for another audience: the annotation eks.amazonaws.com/audience, or a volume written by hand", showSA, "remove the annotation, or name an audience of that list; " + recreate},
			{"the region is in China and the audience was changed to go with it", showToken, "the audience stays sts.amazonaws.com, in every partition"},
		},
	},
	{
		id: "audience-claim-missing", group: "web-identity",
		known: []pattern{"missing a required claim: aud"},
		title: "the token has no audience",
		means: "This is the ordinary token of a service account, not the projected one that is made for AWS.",
		cause: []Cause{
			{"the service account has no annotation: the pod has its ordinary token alone, and somebody used that by hand", "kubectl -n {namespace} get serviceaccount {serviceAccount} -o yaml", "kubectl -n {namespace} annotate serviceaccount {serviceAccount} eks.amazonaws.com/role-arn={role}, and make the pod anew"},
			{"the SDK was given /var/run/secrets/kubernetes.io/serviceaccount/token", showEnv, "AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/secrets/eks.amazonaws.com/serviceaccount/token; the webhook sets it if nobody else does"},
			{"the token is from a Secret of type kubernetes.io/service-account-token", "eksauth inspect - < TOKEN_FILE", "kubectl -n {namespace} create token {serviceAccount} --audience sts.amazonaws.com"},
		},
	},
	{
		id: "claim-missing", rank: broad, group: "web-identity",
		known: []pattern{"missing a required claim"},
		title: "the token lacks a claim that STS needs",
		means: "STS needs iss, sub, aud, iat and exp.",
		cause: []Cause{{"it is no token of a Kubernetes service account, or one that was put together by hand", "eksauth inspect - < TOKEN_FILE", "kubectl -n {namespace} create token {serviceAccount} --audience sts.amazonaws.com"}},
	},
	{
		id: "token-not-a-jwt", group: "web-identity",
		known: []pattern{"the id token provided is not a valid jwt"},
		title: "what was sent is not a JWT that STS can read",
		means: "It is cut off, empty, has a line break or a quotation mark too many, is signed in a way that STS does not take, or is another kind of token.",
		cause: []Cause{
			{"the file has something else in it", "eksauth inspect - < TOKEN_FILE", "write the token and nothing else to the file"},
			{"it is an EKS token (k8s-aws-v1.…), which is for Kubernetes and not for STS", "eksauth inspect - < TOKEN_FILE", "kubectl -n {namespace} create token {serviceAccount} --audience sts.amazonaws.com"},
			{"the issuer signs with something other than RS256 or ES256", "eksauth inspect - < TOKEN_FILE", "sign with RS256: kube-apiserver --service-account-signing-key-file with an RSA key"},
		},
	},
	{
		id: "token-not-validated", group: "web-identity",
		known: []pattern{"the web identity token provided could not be validated", "the web identity token that was passed could not be validated"},
		title: "STS could not validate the token",
		means: "The signature does not go with the keys that the issuer publishes, or the token is not valid yet.",
		cause: []Cause{
			{"the cluster signs with a key that is not in the published key set: rotated, or published before", "curl -sS {issuer}/openid/v1/jwks # has it the key id that eksauth inspect prints?", "publish the key set anew: kubectl get --raw /openid/v1/jwks, or eksauthd issuer"},
			{"the token is another cluster's with the same issuer URL", "eksauth inspect - < TOKEN_FILE", "one issuer URL for each cluster"},
			{"the clock of the API server is fast, so that the token begins in the future", "eksauth inspect - < TOKEN_FILE", "set the clock: chronyc makestep"},
		},
	},
	{
		id: "token-expired", group: "web-identity",
		known: []pattern{"token expired: current date/time", "token too old", "(expiredtokenexception) when calling the assumerolewithwebidentity operation", "the web identity token that was passed is expired"},
		title: "the service account's token has expired",
		means: "STS got a token that had been expired for {expiredFor}. kubelet writes a new one into the file long before that, so an old one was sent.",
		cause: []Cause{
			{"the file is read once, at the start, and the token kept", "kubectl -n {namespace} exec POD -- sh -c 'ls -lL $AWS_WEB_IDENTITY_TOKEN_FILE' # is it newer than the token that was sent?", "let the SDK read the file (its default chain does), or read it for each call"},
			{"the pod is being deleted: kubelet refreshes no tokens of a pod that terminates", "kubectl -n {namespace} get pod POD -o jsonpath={.metadata.deletionTimestamp}", "end within the time that the token has left; a longer eks.amazonaws.com/token-expiration gives more"},
			{"the token was copied: an environment variable, a CI secret, a file in an image", showEnv, "mount the projected volume, or make a token when it is needed: kubectl create token"},
			{"a clock is wrong", "date -u # on the node", "set it: chronyc makestep"},
		},
	},
}
