package main

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/guard"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/irsa"
	"github.com/eksauth/eksauth/kube"
)

const (
	mutatePath = "/mutate" // amazon-eks-pod-identity-webhook's
	guardPath  = "/guard"
)

type webhookFlags struct {
	logFormat logFormat

	address       string
	port          int
	metricsPort   int
	kubeconfig    string
	kubeAPI       string
	namespace     string
	inCluster     bool
	tlsCert       string
	tlsKey        string
	tlsSecret     string
	certDir       string
	serviceName   string
	dnsNames      []string
	webhookConfig string
	guard         bool
	guardConfig   string

	settings        irsa.Settings
	expiration      int64 // seconds
	watchConfigMap  bool
	identitiesFile  string
	onLookupFailure onLookupFailure
	gracePeriod     time.Duration
	shutdown        shutdown
	profiling       profiling
}

func (p *program) newWebhook() *cobra.Command {
	f := &webhookFlags{logFormat: "text", onLookupFailure: admit}
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Give pods of annotated service accounts their IAM role; guard edits of aws-auth",
		Long: `Answer kube-apiserver's admission reviews of pods: a pod whose service account is
annotated with eks.amazonaws.com/role-arn gets a token of the cluster's issuer and
the variables with which every AWS SDK assumes that role.

The flags with the names of amazon-eks-pod-identity-webhook's mean the same. A
service account that has not been seen yet is asked for before the pod is
answered. What is doubtful is said in admission warnings, which kubectl shows.

With --guard-mappings it also answers, at ` + guardPath + `, whether an edit of aws-auth may
stand: what cannot be read, what is never used, and what would lock out the last
administrator, nodes or the author is refused, with the line and the fix. In such an
edit the annotation ` + guard.Override + ` lets it stand all the same.

The serving certificate is made, renewed and kept in a Secret, and the caBundle of
the registration kept in step; or it is yours, with --tls-cert and --tls-key,
which are read again when they change.

Standard output gets two lines: "serving URL" when it listens, and "ready" when it
has a certificate and has seen all service accounts. The log goes to standard
error.`,
		Example: `  eksauthd webhook --namespace eksauth                  # in a pod: see deploy/webhook.yaml
  eksauthd webhook --kubeconfig admin.conf --port 8443 --tls-cert tls.crt --tls-key tls.key`,
		Args: cobra.NoArgs,
	}
	f.addServing(cmd)
	f.addSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		ctx, stop := cli.UntilSignal(cmd.Context())
		defer stop()
		return p.webhook(ctx, f)
	}
	return cmd
}

func (f *webhookFlags) addServing(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.VarP(&f.logFormat, "log-format", "l", "of the log on standard error: text or json")
	flags.StringVar(&f.address, "address", "", "IP `address` to listen on (default: all)")
	flags.IntVar(&f.port, "port", 443, "TCP `port` for "+mutatePath)
	flags.IntVar(&f.metricsPort, "metrics-port", 9999, "TCP `port` for /metrics, /healthz and /readyz without TLS; -1 for none")
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "`file` that says how to reach the API server (default: as a pod of the cluster)")
	flags.StringVar(&f.kubeAPI, "kube-api", "", "`URL` of the API server, over that in --kubeconfig")
	flags.StringVar(&f.namespace, "namespace", "eks", "`namespace` of the webhook: of its Service, its Secret and its ConfigMap")
	flags.StringVar(&f.serviceName, "service-name", "pod-identity-webhook", "`name` of the webhook's Service")
	flags.StringArrayVar(&f.dnsNames, "dns-name", nil, "further `name` of the webhook in its certificate; may be given again")
	flags.StringVar(&f.tlsSecret, "tls-secret", "pod-identity-webhook", "`name` of the Secret that keeps the authority and the certificate; it must exist, and may be empty")
	flags.StringVar(&f.webhookConfig, "webhook-config", "pod-identity-webhook", "`name` of the MutatingWebhookConfiguration whose caBundle is kept in step")
	flags.BoolVar(&f.guard, "guard-mappings", false, "also answer whether an edit of aws-auth may stand: see deploy/guard.yaml")
	flags.StringVar(&f.guardConfig, "guard-config", "eksauth-guard", "`name` of the ValidatingWebhookConfiguration whose caBundle is kept in step, with --guard-mappings")
	flags.StringVar(&f.certDir, "cert-dir", "", "`directory` for the certificate that the Secret has, best in memory (default: a temporary one)")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "`file` with a serving certificate, instead of one from the Secret")
	flags.StringVar(&f.tlsKey, "tls-key", "", "`file` with its private key")
	f.shutdown.addFlag(flags)
	f.profiling.addFlag(flags)
	flags.BoolVar(&f.inCluster, "in-cluster", true, "false: the certificate is in /etc/webhook/certs, unless --tls-cert and --tls-key say otherwise")
}

func (f *webhookFlags) addSettings(cmd *cobra.Command) {
	flags, s := cmd.Flags(), &f.settings
	flags.StringVar(&s.AnnotationPrefix, "annotation-prefix", "eks.amazonaws.com", "`prefix` of the annotations")
	flags.StringVar(&s.Audience, "token-audience", "sts.amazonaws.com", "default `audience` of the tokens")
	flags.StringSliceVar(&s.KnownAudiences, "known-audiences", nil, "further `audiences` that an IAM provider accepts; any other draws a warning")
	flags.Int64Var(&f.expiration, "token-expiration", 86400, "default lifetime of the tokens in `seconds`")
	flags.StringVar(&s.MountPath, "token-mount-path", "/var/run/secrets/eks.amazonaws.com/serviceaccount", "`path` in the containers under which the token is")
	flags.StringVar(&s.Region, "aws-default-region", "", "`region` for AWS_REGION and AWS_DEFAULT_REGION (default: they are not set)")
	flags.BoolVar(&s.RegionalSTS, "sts-regional-endpoint", false, "set AWS_STS_REGIONAL_ENDPOINTS=regional, for old SDKs")
	flags.StringVar(&s.AccountID, "account-id", "", "AWS `account` of roles that are annotated by their name only")
	flags.StringVar(&s.Partition, "partition", "aws", "AWS `partition` of those roles")
	flags.Int64Var(&s.FSGroup, "fs-group", 0, "`GID` to set as fsGroup of pods that run as non-root and have none, for kubelets that would leave the token unreadable to them (default: never)")
	flags.BoolVar(&f.watchConfigMap, "watch-config-map", false, "let the ConfigMap "+kube.FallbacksName+" stand in for annotations")
	flags.Var(&f.onLookupFailure, "on-lookup-failure", "what becomes of a pod whose service account cannot be looked up: admit, with a warning and without credentials, or refuse")
	flags.DurationVar(&f.gracePeriod, "service-account-lookup-grace-period", 0, "")
	_ = flags.MarkDeprecated("service-account-lookup-grace-period", "the API server is asked at once") // it exists
	flags.StringVar(&f.identitiesFile, "watch-container-credentials-config", "", "`file` with the service accounts that use EKS Pod Identity")
	c := &s.ContainerCredentials
	flags.StringVar(&c.Audience, "container-credentials-audience", "pods.eks.amazonaws.com", "`audience` of their tokens")
	flags.StringVar(&c.MountPath, "container-credentials-mount-path", "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount", "`path` in their containers under which the token is")
	flags.StringVar(&c.VolumeName, "container-credentials-volume-name", "eks-pod-identity-token", "`name` of their volume")
	flags.StringVar(&c.TokenPath, "container-credentials-token-path", "eks-pod-identity-token", "`name` of the token's file")
	flags.StringVar(&c.FullURI, "container-credentials-full-uri", "http://169.254.170.23/v1/credentials", "`URL` of the agent that gives credentials")
}

// check reads what has a form of its own; all of irsa's faults come together.
func (f *webhookFlags) check() error {
	if !f.inCluster {
		f.tlsCert = cmp.Or(f.tlsCert, "/etc/webhook/certs/tls.crt")
		f.tlsKey = cmp.Or(f.tlsKey, "/etc/webhook/certs/tls.key")
	}
	if (f.tlsCert == "") != (f.tlsKey == "") {
		return cli.Usage("--tls-cert and --tls-key go together")
	}
	for name, port := range map[string]int{"port": f.port, "metrics-port": max(f.metricsPort, 0)} {
		if port < 0 || port > 65535 {
			return cli.Usage("--%s is %d, not a number from 0 to 65535", name, port)
		}
	}
	f.settings.Expiration = time.Duration(f.expiration) * time.Second
	if f.expiration <= 0 || f.settings.Expiration/time.Second != time.Duration(f.expiration) {
		return cli.Usage("--token-expiration is %d; it is a number of seconds, such as 86400", f.expiration)
	}
	if err := f.settings.Validate(); err != nil {
		return cli.Usage("%s", err)
	}
	return nil
}

// onLookupFailure is the value of --on-lookup-failure.
type onLookupFailure string

const (
	admit  onLookupFailure = "admit"
	refuse onLookupFailure = "refuse"
)

func (v *onLookupFailure) String() string { return string(*v) }
func (v *onLookupFailure) Type() string   { return "policy" }
func (v *onLookupFailure) Set(s string) error {
	if s != string(admit) && s != string(refuse) {
		return cli.Usage("it is admit or refuse")
	}
	*v = onLookupFailure(s)
	return nil
}

func (v onLookupFailure) policy() irsa.Policy {
	if v == refuse {
		return irsa.Refuse
	}
	return irsa.Admit
}
