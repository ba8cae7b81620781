package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eksauth/eksauth/internal/cli"
)

// program is what every command is built from.
type program struct {
	cli.IO
	aws awsFlags
}

func newRoot(stdio cli.IO) *cobra.Command {
	p := &program{IO: stdio}
	root := &cobra.Command{
		Use:   "eksauth",
		Short: "EKS authentication for any Kubernetes cluster, and for none",
		Long: `eksauth signs IAM users and roles in to Kubernetes with EKS tokens, says why
when that fails, and is a local AWS to try all of it without an account.`,
		Example: `  eksauth local --tour                          # see it work, without AWS
  eksauth token --cluster-name dev              # what kubectl runs
  eksauth kubeconfig --name dev                 # write cluster, user and context
  eksauth inspect - < token                     # what does this token say?
  eksauth verify --cluster-name dev - < token   # who is it, really?`,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&p.aws.region, "region", "", "AWS `region` (default: AWS_REGION, then the profile's)")
	flags.StringVar(&p.aws.profile, "profile", "", "AWS `profile` (default: AWS_PROFILE)")
	root.AddCommand(
		p.newToken(), p.newEKS(), p.newInspect(), p.newVerify(), p.newKubeconfig(), p.newAssume(), p.newMint(), p.newTest(), p.newMap(), p.newIAM(), p.newDoctor(), p.newLocal(), cli.NewVersion("eksauth"),
	)
	return root
}

// output is a command's -o flag.
type output struct {
	value  string
	choice []string
}

// addOutput adds -o with the given choices, the first being the default.
func addOutput(cmd *cobra.Command, o *output, choice ...string) {
	o.value, o.choice = choice[0], choice
	cmd.Flags().VarP(o, "output", "o", "output: "+strings.Join(choice, " or "))
}

func (o *output) String() string { return o.value }
func (o *output) Type() string   { return "format" }
func (o *output) Set(s string) error {
	for _, c := range o.choice {
		if s == c {
			o.value = s
			return nil
		}
	}
	return fmt.Errorf("it is one of %s", strings.Join(o.choice, ", "))
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// tokenArgument is the token that a command was given, or that stands on
// standard input or in an ExecCredential there.
func (p *program) tokenArgument(arg string) (string, error) {
	if arg == "-" {
		data, err := io.ReadAll(io.LimitReader(p.In, 64<<10))
		if err != nil {
			return "", fmt.Errorf("read the token from standard input: %w", err)
		}
		arg = string(data)
	}
	arg = strings.TrimSpace(arg)
	if strings.HasPrefix(arg, "{") {
		var cred struct{ Status struct{ Token string } }
		if err := json.Unmarshal([]byte(arg), &cred); err != nil || cred.Status.Token == "" {
			return "", cli.Usage("the JSON is not an ExecCredential with a token in its status")
		}
		arg = cred.Status.Token
	}
	if arg == "" {
		return "", cli.Hint(cli.Usage("there is no token"), "pipe one in, as in: eksauth token --cluster-name NAME | eksauth inspect -")
	}
	return strings.TrimPrefix(arg, "Bearer "), nil
}

// commandName is how a shell finds this program: by name, or else by path.
func commandName() string {
	if _, err := exec.LookPath("eksauth"); err == nil {
		return "eksauth"
	}
	return self()
}

// self is the path of this program, for what it starts or writes down.
func self() string {
	if path, err := os.Executable(); err == nil {
		return path
	}
	return "eksauth"
}
