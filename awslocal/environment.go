package awslocal

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/internal/atomicfile"
	"github.com/eksauth/eksauth/internal/shell"
	"github.com/eksauth/eksauth/sigv4"
)

// EnvFile is the name of the shell file in a data directory.
const EnvFile = "env"

// IssuerCAVariable names the file with the authority of the issuer's certificate, which
// no system knows.
const IssuerCAVariable = "EKSAUTH_ISSUER_CERTIFICATE_AUTHORITY"

// Environment is what a client needs to use a local AWS.
type Environment struct {
	Endpoint    string // URL of the local AWS
	Credentials sigv4.Credentials
	Region      string
	Kubeconfig  string // path; "" when there is no control plane

	// IssuerCA is the path that goes into IssuerCAVariable, which only eksauth's own
	// commands read; "" when there is none.
	IssuerCA string

	// CredentialsFile is the path of the file that WriteCredentials writes; ""
	// leaves the user's own in place.
	CredentialsFile string
}

type variable struct{ name, value string }

// variables are those to set, in order.
func (e Environment) variables() []variable {
	list := []variable{
		{"AWS_ENDPOINT_URL", e.Endpoint},
		{"AWS_ACCESS_KEY_ID", e.Credentials.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", e.Credentials.SecretAccessKey},
	}
	if e.Credentials.SessionToken != "" {
		list = append(list, variable{"AWS_SESSION_TOKEN", e.Credentials.SessionToken})
	}
	list = append(list,
		variable{"AWS_REGION", e.Region},
		variable{"AWS_DEFAULT_REGION", e.Region}, // for the SDKs that read only this
		// Nothing must look for the credentials of the machine.
		variable{"AWS_EC2_METADATA_DISABLED", "true"},
	)
	if e.CredentialsFile != "" {
		list = append(list, variable{"AWS_SHARED_CREDENTIALS_FILE", e.CredentialsFile})
	}
	if e.Kubeconfig != "" {
		list = append(list, variable{"KUBECONFIG", e.Kubeconfig})
	}
	if e.IssuerCA != "" {
		list = append(list, variable{IssuerCAVariable, e.IssuerCA})
	}
	return list
}

// competing are variables with which an SDK would look elsewhere for
// credentials, or send requests elsewhere than to AWS_ENDPOINT_URL.
//
// Source: "Settings reference" in the AWS SDKs and tools reference guide.
func competing() []string {
	return []string{
		"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
		"AWS_PROFILE", "AWS_DEFAULT_PROFILE",
		"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
		"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_EKS", "AWS_ENDPOINT_URL_IAM",
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
	}
}

// unset are the competing variables that are not set here.
func (e Environment) unset() []string {
	set := e.variables()
	return slices.DeleteFunc(competing(), func(name string) bool {
		return slices.ContainsFunc(set, func(v variable) bool { return v.name == name })
	})
}

// Shell is the environment as a file for a POSIX shell to source. It has the
// secret key in it.
func (e Environment) Shell() []byte {
	var b strings.Builder
	b.WriteString("# The local AWS. Use it in this shell with:  . FILE\n")
	for _, v := range e.variables() {
		b.WriteString("export " + v.name + "=" + shell.Quote(v.value) + "\n")
	}
	if host := e.host(); host != "" {
		b.WriteString("# A proxy must not be asked about this machine.\n")
		for _, name := range noProxy() {
			b.WriteString(`export ` + name + `="${` + name + `:+$` + name + `,}` + host + `"` + "\n")
		}
	}
	b.WriteString("# These would win over the above, or lead elsewhere.\n")
	b.WriteString("unset " + strings.Join(e.unset(), " ") + "\n")
	return []byte(b.String())
}

// Environ is base, as of os.Environ, with the environment put into it: for a
// child process.
func (e Environment) Environ(base []string) []string {
	set := e.variables()
	drop := e.unset()
	for _, v := range set {
		drop = append(drop, v.name)
	}
	environ := slices.DeleteFunc(slices.Clone(base), func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return slices.Contains(drop, name) || strings.HasPrefix(name, "AWS_ENDPOINT_URL_")
	})
	for _, v := range set {
		environ = append(environ, v.name+"="+v.value)
	}
	if host := e.host(); host != "" {
		for _, name := range noProxy() {
			environ = addToList(environ, name, host)
		}
	}
	return environ
}

// noProxy are the variables that say which hosts are asked directly. Clients
// differ in which they read; botocore, for one, makes no exception of loopback.
func noProxy() []string { return []string{"NO_PROXY", "no_proxy"} }

// host is the endpoint's, as it can stand in a shell's double quotes; "" if
// there is none.
func (e Environment) host() string {
	u, err := url.Parse(e.Endpoint)
	if err != nil || strings.ContainsAny(u.Hostname(), "\"$`\\") {
		return ""
	}
	return u.Hostname()
}

// addToList adds value to a variable that is a list with commas.
func addToList(environ []string, name, value string) []string {
	for i, s := range environ {
		if old, ok := strings.CutPrefix(s, name+"="); ok && old != "" {
			environ[i] = s + "," + value
			return environ
		}
	}
	return append(environ, name+"="+value)
}

// WriteEnv writes the environment to the file EnvFile in dir, readable by its
// owner only.
func WriteEnv(dir string, e Environment) error {
	return atomicfile.Write(filepath.Join(dir, EnvFile), e.Shell(), 0o600)
}
