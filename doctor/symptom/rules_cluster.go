package symptom

const showWebhook = "kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations"

// webhookRules are what an API server says of the webhooks that it calls.
var webhookRules = []rule{
	{
		id: "webhook-ca-unknown", group: "webhook",
		known: []pattern{"calling webhook … x509: certificate signed by unknown authority", "calling webhook … failed to verify certificate: x509: certificate signed by unknown authority", "calling admission webhook … certificate signed by unknown authority"},
		title: "the API server does not trust the webhook's certificate",
		means: "The caBundle in the registration of {webhook} is not that of the authority that signed the certificate.",
		cause: []Cause{
			{"the certificate was made anew and the caBundle was not", showWebhook + " -o yaml | grep caBundle", "write it there; eksauthd webhook keeps both in step by itself"},
			{"the placeholder of the manifest was never filled in", showWebhook + " -o yaml | grep caBundle", "cert-manager.io/inject-ca-from, or eksauthd webhook"},
			{"a cluster's own signer is used (CSR), whose authority is not the kubeconfig's", "kubectl get csr", "another source of certificates: legacy-unknown is gone"},
		},
	},
	{
		id: "webhook-certificate-expired", group: "webhook",
		known: []pattern{"calling webhook … x509: certificate has expired", "calling webhook … certificate has expired or is not yet valid", "calling admission webhook … certificate has expired"},
		title: "the webhook's certificate has expired",
		means: "Nobody renewed it, or the pod serves the old one still.",
		cause: []Cause{
			{"it is renewed by hand, or by a job that does not run", "kubectl -n NAMESPACE get secret NAME -o jsonpath='{.data.tls\\.crt}' | base64 -d | openssl x509 -noout -dates", "renew it; eksauthd webhook renews by itself"},
			{"the Secret is new and the process has not read it", "kubectl -n NAMESPACE get pods", "kubectl -n NAMESPACE rollout restart deployment NAME"},
			{"a clock is wrong", "date -u # on the control plane and the node", "set it: chronyc makestep"},
		},
	},
	{
		id: "webhook-certificate-name", group: "webhook",
		known: []pattern{"calling webhook … x509: certificate is valid for", "calling webhook … certificate relies on legacy common name field", "calling webhook … cannot validate certificate for", "calling webhook … x509: certificate is not valid for any names"},
		title: "the webhook's certificate is for another name",
		means: "The API server calls NAME.NAMESPACE.svc, and the certificate must have just that among its subject alternative names.",
		cause: []Cause{
			{"the webhook was installed in another namespace or under another Service name", showWebhook + " -o yaml | grep -A4 service:", "make a certificate for SERVICE.NAMESPACE.svc"},
			{"the certificate has only a Common Name", "openssl x509 -noout -ext subjectAltName", "make one with subject alternative names"},
		},
	},
	{
		id: "webhook-unreachable", group: "webhook", rank: broad,
		known: []pattern{
			"calling webhook … connection refused", "calling webhook … no endpoints available for service", "calling webhook … context deadline exceeded",
			"calling webhook … i/o timeout", "calling webhook … no route to host", "calling webhook … no such host", "calling webhook … service … not found",
			"calling webhook … address is not allowed", "calling webhook … eof", "calling webhook, failing open",
		},
		title: "the API server cannot reach a webhook",
		means: "It called {webhook}. With failurePolicy: Fail no pod is created; with Ignore pods are created without their role, and nobody is told.",
		cause: []Cause{
			{"its pods are not ready, or there are none", "kubectl get pods -A | grep -i webhook", "kubectl -n NAMESPACE describe pod, and its log"},
			{"the control plane cannot reach the port: a security group, a network policy, an overlay network", "kubectl -n NAMESPACE get endpointslices", "let port 443 and the pod's own through from the control plane, or hostNetwork: true"},
			{"the cluster starts, and the webhook waits for nodes that wait for it", "kubectl get nodes,pods -A", "leave kube-system and the webhook's namespace out by namespaceSelector; several replicas"},
		},
	},
	{
		id: "webhook-no-certificate", group: "webhook",
		known: []pattern{"no serving certificate available for the webhook", "is the csr approved"},
		title: "the webhook waits for a certificate that nobody signs",
		means: "amazon-eks-pod-identity-webhook asked for one by a CertificateSigningRequest.",
		cause: []Cause{
			{"the request is not approved", "kubectl get csr", "kubectl certificate approve NAME"},
			{"it asks for the signer legacy-unknown, which Kubernetes has no more (1.22 and later)", "kubectl get csr -o jsonpath='{.items[*].spec.signerName}'", "give it files: --in-cluster=false --tls-cert --tls-key, from cert-manager; or eksauthd webhook"},
		},
	},
}

// clusterRules are what an API server says in its log about tokens.
var clusterRules = []rule{
	{
		id: "authenticator-unreachable", group: "bearer",
		known: []pattern{"failed to make webhook authenticator request"},
		title: "the API server gets no answer from the authenticator",
		means: "It asks by --authentication-token-webhook-config-file, and the call failed.",
		cause: []Cause{
			{"the authenticator does not run on this control plane, or not yet", "curl -k https://127.0.0.1:21362/healthz", "start it before the API server; eksauthd authenticator"},
			{"the file has another address, or an old certificate", "grep -E 'server|certificate' FILE", "write it anew: eksauthd init; then restart kube-apiserver, which reads it once"},
			{"it answers 401 in place of a TokenReview", "the log of the authenticator", "an authenticator that answers in TokenReviews"},
		},
	},
	{
		id: "webhook-config-missing", group: "bearer",
		known: []pattern{"authentication-token-webhook-config-file … no such file or directory", "invalid authentication config: … no such file or directory"},
		title: "kube-apiserver was started before the authenticator's kubeconfig was there",
		means: "It reads --authentication-token-webhook-config-file once, when it starts, and ends if the file is missing.",
		cause: []Cause{
			{"the authenticator writes the file, and it runs in the cluster that is to start", "ls -l FILE # on the control plane", "make it first: eksauthd init"},
			{"the file is on the machine, and not mounted into the API server's pod", "grep -A3 volumeMounts /etc/kubernetes/manifests/kube-apiserver.yaml", "mount it with a hostPath"},
		},
	},
	{
		id: "api-audience", group: "bearer",
		known: []pattern{"invalid for the target audiences", "token audiences … is invalid"},
		title: "the API server does not take tokens for this audience",
		means: "--api-audiences, which is the issuer if it is not set, has none of the token's.",
		cause: []Cause{
			{"the issuer was changed, and old tokens have the old one as their audience", "kubectl get --raw /.well-known/openid-configuration", "name both: --api-audiences=NEW,OLD, and the old one as a second --service-account-issuer"},
			{"it is the token for AWS (sts.amazonaws.com), sent to Kubernetes", "eksauth inspect - < TOKEN_FILE", "send /var/run/secrets/kubernetes.io/serviceaccount/token"},
		},
	},
	{
		id: "issuer-mismatch", group: "bearer",
		known: []pattern{"issuer did not match the issuer returned by provider", "did not match the issuer url returned by provider", "no keys found for issuer"},
		title: "the issuer's name and its document differ",
		means: "iss in the token, --service-account-issuer, and \"issuer\" in the discovery document must be one string, to the last slash.",
		cause: []Cause{
			{"the flag was changed and the document was not published anew", "curl -sS {issuer}/.well-known/openid-configuration; kubectl get --raw /.well-known/openid-configuration", "publish it anew: eksauthd issuer"},
			{"a slash at the end, http for https, or a port", "kubectl -n {namespace} create token {serviceAccount} | eksauth inspect -", "write the same string everywhere"},
		},
	},
	{
		id: "service-account-token-refused", group: "bearer",
		known: []pattern{"service account token has expired", "service account token is not valid yet", "service account token has been invalidated", "error in cryptographic primitive", "token has been invalidated"},
		title: "the API server refuses a service account's token",
		means: "It has expired, is of the future, its pod or service account is gone, or it is signed with a key that the API server does not have.",
		cause: []Cause{
			{"the token was kept by a program that should read the file again", "eksauth inspect - < TOKEN_FILE", "a newer client: client-go reads it every minute"},
			{"the signing key was changed and the old public key was taken away", "grep service-account-key-file /etc/kubernetes/manifests/kube-apiserver.yaml", "give both: --service-account-key-file twice, until all tokens are new"},
			{"clocks of control planes differ", "date -u # on each", "set them: chronyc makestep"},
		},
	},
	{
		id: "bearer-token-invalid", group: "bearer", rank: broad,
		known: []pattern{"invalid bearer token", "unable to authenticate the request"},
		title: "the API server could not make a user of the token",
		means: "Each of its authenticators said no; the words after \"invalid bearer token\" are theirs. With none, nobody was asked who knows EKS tokens.",
		cause: []Cause{
			{"kube-apiserver runs without --authentication-token-webhook-config-file", "grep webhook-config-file /etc/kubernetes/manifests/kube-apiserver.yaml", "eksauthd init writes the file; then restart kube-apiserver"},
			{"the authenticator refuses the token", "the log of the authenticator", "eksauth verify -i {cluster} - < TOKEN"},
			{"the token is of another cluster, or of a service account that is gone", "eksauth inspect - < TOKEN", "make a new one"},
		},
	},
	{
		id: "authenticator-sts-refused", group: "bearer",
		known: []pattern{"sts getcalleridentity failed", "error from aws (expected 200, got 403)", "error from aws (expected 200, got 400)", "getcalleridentity … expected 200, got"},
		title: "STS did not accept what the token is made of",
		means: "The authenticator sent the presigned request to STS, which refused: the signature, the key or the time is not right, or the cluster's name is another.",
		cause: []Cause{
			{"the token was made for another cluster name: the signature covers it", "eksauth verify -i {cluster} - < TOKEN", "the name in the kubeconfig must be the authenticator's --cluster-id"},
			{"the token is older than fifteen minutes, or the session behind it is over", "eksauth inspect - < TOKEN", "make a new one: eksauth token -i {cluster}"},
			{"STS throttles the authenticator, which looks like a refusal (400)", "the log of the authenticator", "one that caches verified tokens: eksauthd authenticator"},
		},
	},
}
