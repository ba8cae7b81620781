package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/shell"
	"github.com/eksauth/eksauth/sts"
	"github.com/eksauth/eksauth/token"
)

// tour plays MISSION's walk-through against the running local system. Each step
// is a command that really runs, and can be typed; what came back is shown and
// compared with what should.
type tour struct {
	*local
	style  cli.Style
	number int
	failed int
}

// step is one command of the tour.
type step struct {
	says    string   // what it is to show
	command []string // argv; "eksauth" is this program
	stdin   string   // file in the data directory, "" for none
	stdout  string   // the same: where a token goes, which is not shown
	refused bool     // whether it must fail
	want    []string // what its output must have
	env     []string // further environment
}

func (l *local) tour(ctx context.Context) error {
	t := &tour{local: l, style: cli.StyleFor(l.Out, l.Getenv)}
	if err := os.MkdirAll(l.path("tour"), 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(l.path("tour")) // tokens do not lie around
	steps, err := t.signIn()
	if err != nil {
		return err
	}
	fmt.Fprintf(t.Out, "An IAM user signs in to Kubernetes: the local AWS is at %s\n", l.env.Endpoint)
	if commandName() != "eksauth" {
		fmt.Fprintln(t.Out, t.style.Dim("  $ export PATH="+shell.Path(filepath.Dir(self()))+":$PATH"))
	}
	fmt.Fprintln(t.Out, t.style.Dim("  $ cd "+shell.Path(l.dir)+" && . ./env && mkdir -p tour"))
	for _, s := range steps {
		if err := t.play(ctx, s); err != nil {
			return err
		}
	}
	fmt.Fprintln(t.Out)
	if t.failed > 0 {
		return cli.Hint(fmt.Errorf("%d of the tour's %d steps went wrong", t.failed, t.number),
			"if the world or aws-auth was edited, another --data-dir begins anew")
	}
	fmt.Fprintln(t.Out, t.style.Good(fmt.Sprintf("All %d steps went as they should.", t.number)))
	return nil
}

// signIn is MISSION sections 1 and 2.
func (t *tour) signIn() ([]step, error) {
	cluster := t.cluster.Name
	roles, err := t.tourNames()
	if err != nil {
		return nil, err
	}
	make := func(says, file string, args ...string) step {
		command := append([]string{"eksauth"}, args...)
		return step{says: says, command: append(command, "--token-only"), stdout: file, want: []string{token.Prefix}}
	}
	verify := func(says, file string, want ...string) step {
		return step{says: says, command: []string{"eksauth", "verify", "--cluster-name", cluster, "--aws-auth", "aws-auth.yaml", "-"}, stdin: file, want: want}
	}
	refused := func(says, file string, want ...string) step {
		s := verify(says, file, want...)
		s.refused = true
		return s
	}
	if err := t.forgeTokens(); err != nil {
		return nil, err
	}
	steps := []step{
		make(roles.user+" makes an EKS token: her signature on a question to STS", "tour/user.token",
			"token", "--cluster-name", cluster),
		{says: "What the token says, before anybody believes it", command: []string{"eksauth", "inspect", "-"}, stdin: "tour/user.token",
			want: []string{"Nothing here was verified", "Nothing wrong can be seen"}},
		verify("STS says who signed it, aws-auth says who that is in Kubernetes", "tour/user.token",
			roles.userARN, "signs in as    "+roles.username),
		make("She assumes the role "+roles.role+" first", "tour/role.token",
			"token", "--cluster-name", cluster, "--role-arn", roles.roleARN),
		verify("and signs in as the role; the session still says who she is", "tour/role.token",
			"assumed-role/"+roles.role+"/"+roles.user, "signs in as    "+roles.rolename),
		make("A token for another cluster", "tour/staging.token", "token", "--cluster-name", cluster+"-staging"),
		refused("is refused here", "tour/staging.token", "made for another cluster, or altered"),
		refused("So is one that she made sixteen minutes ago", "tour/expired.token", "the token expired at"),
		refused("and one of hers in which somebody put another's access key id", "tour/tampered.token", "made for another cluster, or altered"),
		make(roles.stranger+" is an IAM user as well", "tour/stranger.token", "--profile", roles.stranger, "token", "--cluster-name", cluster),
		refused("but nobody mapped him: STS knows him, the cluster does not", "tour/stranger.token", "is not mapped"),
	}
	steps = append(steps, t.webIdentitySteps()...)
	if t.kube == nil {
		return steps, nil
	}
	pods, err := t.podSteps()
	if err != nil {
		return nil, err
	}
	steps = append(steps, t.kubectlSteps(roles)...)
	return append(steps, pods...), nil
}

// webIdentitySteps are MISSION section 3 by hand, and the failures of section 4
// that a service account's token alone can show. They need a role that trusts a
// service account of the cluster.
func (t *tour) webIdentitySteps() []step {
	role, account := t.podRole()
	if role == "" {
		return nil
	}
	mint := func(says, account, file string, args ...string) step {
		return step{says: says, command: append([]string{"eksauth", "mint", account, "--data-dir", "."}, args...), stdout: file, want: []string{"ey"}}
	}
	assume := []string{"eksauth", "assume", "--role-arn", role, "--web-identity-token-file"}
	explain := func(message, want string) step {
		return step{says: "What the doctor makes of it", command: []string{"eksauth", "doctor", "error", message}, want: []string{want}}
	}
	return []step{
		mint("A pod's service account has a token of the cluster's issuer", account, "tour/pod.token"),
		{says: "With it the pod assumes an IAM role whose trust policy names the service account", command: append(slices.Clone(assume), "tour/pod.token"),
			stdout: "tour/pod.env", want: []string{"export AWS_SESSION_TOKEN="}},
		mint("The token of another service account", "default/default", "tour/other.token"),
		{says: "is refused, in words that thousands have searched for; the log knows why", command: append(slices.Clone(assume), "tour/other.token"),
			refused: true, want: []string{"AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"}},
		explain("An error occurred (AccessDenied) when calling the AssumeRoleWithWebIdentity operation: Not authorized to perform sts:AssumeRoleWithWebIdentity", "the trust policy"),
		mint("The ordinary API token of a service account without the annotation", account, "tour/plain.token", "--audience="),
		{says: "is not the one that IRSA needs", command: append(slices.Clone(assume), "tour/plain.token"),
			refused: true, want: []string{"it has no audience (aud)"}},
		explain("An error occurred (InvalidIdentityToken) when calling the AssumeRoleWithWebIdentity operation: Missing a required claim: aud", "has no annotation"),
		{says: "In a pod whose service account has no annotation, nothing says which role", command: []string{"eksauth", "assume", "--web-identity-token-file", "tour/pod.token"},
			refused: true, want: []string{"there is no AWS_ROLE_ARN"}},
		explain("Unable to locate credentials. You can configure credentials by running \"aws configure\".", "annotat"),
	}
}

// podRole is a role that trusts a service account of the cluster.
func (t *tour) podRole() (role, account string) {
	world, err := t.store.World()
	if err != nil {
		return "", ""
	}
	for _, a := range world.Accounts {
		for _, r := range a.Roles {
			for _, sa := range r.ServiceAccounts {
				if a.ID == t.cluster.AccountID && sa.Cluster == t.cluster.Name {
					return "arn:" + t.cluster.Partition + ":iam::" + a.ID + ":role/" + r.Name, sa.Namespace + "/" + sa.Name
				}
			}
		}
	}
	return "", ""
}

// kubectlSteps show the same at a real API server.
func (t *tour) kubectlSteps(n tourNames) []step {
	context := func(name string) string { return "--context=" + name + "@" + t.cluster.Name }
	return []step{
		{says: "kubectl asks a real API server who she is", command: []string{"kubectl", "auth", "whoami"}, want: []string{n.username}},
		{says: "and as the role", command: []string{"kubectl", context(n.role), "auth", "whoami"}, want: []string{n.rolename, n.roleARN}},
		{says: n.stranger + " is turned away", command: []string{"kubectl", context(n.stranger), "auth", "whoami"}, refused: true, want: []string{"Unauthorized"}},
	}
}

// tourNames are the people of the world that the tour meets.
type tourNames struct {
	user, userARN, username string // mapped
	role, roleARN, rolename string // mapped, and trusts the user
	stranger                string // not mapped
}

func (t *tour) tourNames() (n tourNames, err error) {
	missing := func(what string) (tourNames, error) {
		return n, cli.Hint(fmt.Errorf("the tour needs %s in the world", what), "the tour is for the example world: use another --data-dir, and no --world")
	}
	if len(t.cluster.MapUsers) == 0 || len(t.cluster.MapRoles) == 0 {
		return missing("a cluster that maps a user and a role")
	}
	user, role := t.cluster.MapUsers[0], t.cluster.MapRoles[0]
	n.userARN, n.username = user.UserARN, user.Username
	n.roleARN, n.rolename = role.RoleARN, role.Username
	n.user, n.role = lastPart(user.UserARN), lastPart(role.RoleARN)
	stranger, err := t.stranger()
	if errors.Is(err, sts.ErrNotFound) {
		return missing("a user whom the cluster does not map")
	}
	n.stranger = stranger.Name
	return n, err
}

func lastPart(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// stranger is a user whom the cluster does not map.
func (t *tour) stranger() (arn.Principal, error) {
	users, err := t.store.Users()
	if err != nil {
		return arn.Principal{}, err
	}
	for _, user := range users {
		mapped := slices.ContainsFunc(t.cluster.MapUsers, func(m awslocal.UserMapping) bool { return m.UserARN == user.String() })
		if !mapped && user.AccountID == t.cluster.AccountID {
			return user, nil
		}
	}
	return arn.Principal{}, sts.ErrNotFound
}

// forgeTokens makes what no honest client makes: an old token and an altered
// one.
func (t *tour) forgeTokens() error {
	options := token.Options{ClusterID: t.cluster.Name, Region: t.env.Region, Time: time.Now()}
	fresh, _, err := token.New(t.env.Credentials, options)
	if err != nil {
		return err
	}
	options.Time = options.Time.Add(-16 * time.Minute)
	expired, _, err := token.New(t.env.Credentials, options)
	if err != nil {
		return err
	}
	stranger, err := t.stranger()
	if err != nil {
		return err
	}
	strangers, err := t.store.Credentials(stranger)
	if err != nil {
		return err
	}
	url, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(fresh, token.Prefix))
	if err != nil {
		return err
	}
	altered := strings.Replace(string(url), t.env.Credentials.AccessKeyID, strangers.AccessKeyID, 1)
	tampered := token.Prefix + base64.RawURLEncoding.EncodeToString([]byte(altered))
	return errors.Join(
		os.WriteFile(t.path("tour/expired.token"), []byte(expired), 0o600),
		os.WriteFile(t.path("tour/tampered.token"), []byte(tampered), 0o600),
	)
}

// play runs a step and shows it.
func (t *tour) play(ctx context.Context, s step) error {
	t.number++
	fmt.Fprintf(t.Out, "\n%2d. %s\n", t.number, s.says)
	words := make([]string, len(s.command))
	for i, word := range s.command {
		words[i] = shell.Word(word)
	}
	line := strings.Join(words, " ")
	if s.stdin != "" {
		line += " < " + s.stdin
	}
	if s.stdout != "" {
		line += " > " + s.stdout
	}
	fmt.Fprintln(t.Out, "    $ "+t.style.Strong(line))
	output, runErr := t.execute(ctx, s)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	shown := output
	if s.stdout != "" && runErr == nil {
		if err := os.WriteFile(t.path(s.stdout), []byte(output), 0o600); err != nil {
			return err
		}
		shown = fmt.Sprintf("(%d characters, kept out of this transcript)", len(strings.TrimSpace(output)))
	}
	for line := range strings.Lines(strings.TrimSpace(shown)) {
		fmt.Fprintln(t.Out, "    "+strings.TrimRight(line, "\n"))
	}
	t.judge(s, output, runErr)
	return nil
}

// judge compares with what should have come back.
func (t *tour) judge(s step, output string, runErr error) {
	var wrong []string
	if (runErr != nil) != s.refused {
		wrong = append(wrong, map[bool]string{true: "it should have been refused", false: "it failed: " + fmt.Sprint(runErr)}[s.refused])
	}
	for _, want := range s.want {
		if !strings.Contains(output, want) {
			wrong = append(wrong, fmt.Sprintf("%q is missing", want))
		}
	}
	if len(wrong) > 0 {
		t.failed++
		fmt.Fprintln(t.Out, "    "+t.style.Bad("✗ "+strings.Join(wrong, "; ")))
		return
	}
	verdict := "✓"
	if s.refused {
		verdict = "✓ refused, as it should be"
	}
	fmt.Fprintln(t.Out, "    "+t.style.Good(verdict))
}

// execute runs a step's command as its reader would: this program for eksauth,
// in the data directory, in the environment of its env file.
func (t *tour) execute(ctx context.Context, s step) (string, error) {
	path := self()
	if s.command[0] == "kubectl" {
		path = t.kube.kubectl
	}
	cmd := exec.CommandContext(ctx, path, s.command[1:]...)
	cmd.Dir = t.dir
	cmd.Env = append(t.local.env.Environ(os.Environ()), s.env...)
	if s.stdin != "" {
		stdin, err := os.Open(filepath.Join(t.dir, s.stdin))
		if err != nil {
			return "", err
		}
		defer stdin.Close()
		cmd.Stdin = stdin
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}
