package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/oidc"
	"github.com/eksauth/eksauth/token"
)

// Access asks a cluster what a user may do: a SubjectAccessReview
// (authorization.k8s.io/v1).
type Access interface {
	Allowed(ctx context.Context, username string, groups []string, verb, resource, namespace string) (bool, error)
}

// Verifier finds out who made an EKS token. *token.Verifier is one.
type Verifier interface {
	Verify(ctx context.Context, raw string) (token.Verified, error)
}

// EKS reads what EKS has of a cluster.
type EKS interface {
	// Mode is the cluster's authentication mode: CONFIG_MAP, API or
	// API_AND_CONFIG_MAP.
	Mode(ctx context.Context) (string, error)
	// Entries are the access entries of a principal. A session does not show its
	// role's path, so there may be several.
	Entries(ctx context.Context, p arn.Principal) ([]accessentry.Entry, error)
}

// Principals reads the users and roles of the account of the user's credentials.
type Principals interface {
	Account(ctx context.Context) (string, error)
	// Principal looks a user up by its name, or a role, also of a session: its ARN, and
	// its unique id. It may be ErrNotFound.
	Principal(ctx context.Context, p arn.Principal) (found, id string, err error)
}

// SignIn examines the way in of an IAM user or role.
type SignIn struct {
	Cluster Cluster
	Access  Access
	Names   awsauth.NodeNames // stands for the names of nodes
	// EKS is nil where nobody asks it; ClusterName is its name of the cluster.
	EKS         EKS
	ClusterName string
	// IAM is nil where nobody asks it; NoAWS says why.
	IAM   Principals
	NoAWS string
	// Config, if not nil, is what an authenticator's own configuration file maps.
	Config *awsauth.Document
}

const (
	masters      = "system:masters"
	clusterAdmin = "AmazonEKSClusterAdminPolicy"
)

// User examines whom an IAM principal signs in as, and what they may do.
func (s *SignIn) User(ctx context.Context, text string) Report {
	r := Report{Subject: "user " + text}
	p, err := arn.ParsePrincipal(text)
	if err != nil {
		r.bad("arn", err.Error(), "that is not the ARN of a principal that can sign in", "aws sts get-caller-identity --query Arn --output text")
		return r
	}
	r.ok("arn", "the ARN is well-formed; its kind: "+p.Kind.String())
	id := arn.Identity{Principal: p}
	if p.Kind == arn.Role { // whoever signs in is a session of it
		session, err := arn.ParsePrincipal("arn:" + p.Partition + ":sts::" + p.AccountID + ":assumed-role/" + p.Name + "/session")
		if err == nil {
			id.Principal = session
		}
	}
	given, userID := s.exists(ctx, &r, p)
	if len(r.Causes()) > 0 {
		return r // to map nobody is no fix
	}
	id.UserID = userID
	s.mapping(ctx, &r, id, given)
	return r
}

// exists asks IAM for a principal. What is returned has the path that it really has, if
// that can be known: it is p otherwise, without an id.
func (s *SignIn) exists(ctx context.Context, r *Report, p arn.Principal) (really arn.Principal, id string) {
	kind := arn.Role
	switch p.Kind {
	case arn.User:
		kind = arn.User
	case arn.Role, arn.AssumedRole:
	default: // root does, and what a federated user is IAM does not know
		return p, ""
	}
	if why := s.blind(ctx, p); why != "" {
		r.unknown("exists", "that it exists", why)
		return p, ""
	}
	found, id, err := s.IAM.Principal(ctx, p)
	if errors.Is(err, ErrNotFound) {
		said := fmt.Sprintf("there is no such %s in account %s", kind, p.AccountID)
		r.bad("exists", said, fmt.Sprintf("IAM has no %s of the name %s: the ARN has a slip in it, or it was deleted", kind, p.Name),
			map[arn.Kind]string{
				arn.User: "aws iam list-users --query 'Users[].Arn' --output text",
				arn.Role: "aws iam list-roles --query 'Roles[].Arn' --output text",
			}[kind])
		return p, ""
	}
	if err == nil {
		really, err = arn.ParsePrincipal(found)
	}
	switch {
	case err != nil:
		r.unknown("exists", "that it exists", err.Error())
		return p, ""
	case kind == arn.User && !strings.EqualFold(really.Path, p.Path):
		r.bad("exists", "there is no such user: the user "+p.Name+" is "+found, "the ARN has not the path that the user has", command("eksauth", "doctor", "user", found))
		return p, ""
	case really.Path != p.Path && p.Kind == arn.Role:
		r.ok("exists", "the role exists: it is "+found+", and its sessions do not show the path")
	default:
		r.ok("exists", "the "+kind.String()+" exists")
	}
	if p.Kind == arn.AssumedRole {
		return p, id
	}
	return really, id
}

// blind is why IAM cannot be asked for a principal; "" if it can.
func (s *SignIn) blind(ctx context.Context, p arn.Principal) string {
	if s.IAM == nil {
		return cmp.Or(s.NoAWS, "IAM is not asked")
	}
	account, err := s.IAM.Account(ctx)
	switch {
	case err != nil:
		return err.Error()
	case account != p.AccountID:
		return "it is in account " + p.AccountID + ", and the credentials here are of " + account
	}
	return ""
}

// Token examines an EKS token, and then whoever made it.
func (s *SignIn) Token(ctx context.Context, raw string, v Verifier) Report {
	r := Report{Subject: "token"}
	if strings.Count(raw, ".") == 2 && !strings.HasPrefix(raw, token.Prefix) {
		r.bad("token", "it is a JWT: a service account's token, or an identity provider's", "that is no EKS token: it signs in by itself, or is for AWS",
			insteadOf(raw)...)
		return r
	}
	verified, err := v.Verify(ctx, raw)
	var refused *token.Error
	switch {
	case errors.As(err, &refused) && refused.Transient():
		r.unknown("token", "the token", err.Error())
		return r
	case errors.As(err, &refused):
		fix := []string{}
		if refused.Hint != "" {
			fix = append(fix, "# "+refused.Hint)
		}
		r.bad("token", err.Error(), "the token is refused: "+string(refused.Reason), fix...)
		return r
	case err != nil:
		r.unknown("token", "the token", err.Error())
		return r
	}
	r.ok("token", "STS says that "+verified.Identity.String()+" made it; it is good until "+verified.Expiry.UTC().Format(time.RFC3339))
	s.mapping(ctx, &r, verified.Identity, verified.Identity.Principal)
	return r
}

// insteadOf says what is for whoever has a JWT. It is not repeated.
func insteadOf(raw string) []string {
	instead := []string{
		"# an EKS token is what this prints: eksauth token -i CLUSTER --token-only",
		"# what a JWT says of itself: eksauth inspect - < FILE",
	}
	said, err := oidc.Inspect(raw, time.Now())
	if err != nil {
		return instead
	}
	if account, ok := strings.CutPrefix(said.Subject, "system:serviceaccount:"); ok {
		return append(instead,
			command("eksauth", "doctor", "serviceaccount", strings.Replace(account, ":", "/", 1))+" # whether it gets its role of AWS",
			command("kubectl", "auth", "can-i", "--list", "--as", said.Subject)+" # what it may do in the cluster")
	}
	return instead
}

// mapping asks all that maps. given is who was asked about: a role's path is in it, which
// its sessions do not show.
func (s *SignIn) mapping(ctx context.Context, r *Report, id arn.Identity, given arn.Principal) {
	found, err := s.documents(ctx, r, id.Principal)
	docs := found.docs
	if err != nil {
		r.unknown("mapping", "the mappings of the cluster", err.Error())
		return
	}
	if len(docs) == 0 && s.EKS == nil {
		r.unknown("mapping", "the mappings of the cluster", "the cluster has no aws-auth, and no IAMIdentityMappings, and nobody else was asked: --cluster-name CLUSTER asks EKS for access entries, --config FILE reads an authenticator's own")
		return
	}
	if len(docs) == 0 {
		r.bad("mapping", "the cluster has no aws-auth, and no IAMIdentityMappings", "nobody is mapped by anything that can be seen",
			found.fix(given, nil)...)
		return
	}
	m, err := awsauth.NewTable(docs...).MapWith(ctx, id, s.Names)
	var unmapped *awsauth.NotMappedError
	switch {
	case errors.As(err, &unmapped):
		s.notMapped(r, found, unmapped, given)
		return
	case err != nil:
		r.bad("mapping", err.Error(), "the mapping of this principal cannot be used", "eksauth map lint")
		return
	}
	groups := "no groups"
	if len(m.Groups) > 0 {
		groups = "groups " + strings.Join(m.Groups, ", ")
	}
	r.ok("mapping", fmt.Sprintf("signs in as %s in %s, by %s", m.Username, groups, m.Reason()))
	for _, f := range found.faultsOf(m.Entry) {
		r.bad("entry", f.String(), "the entry for it does not say all that is meant: "+f.Message, "# "+cmp.Or(f.Hint, "mend the entry"), "eksauth map lint")
	}
	for _, f := range found.broken() {
		r.unknown("aws-auth", "all mappings", f.String())
	}
	s.access(ctx, r, m)
}

// notMapped says why nobody is mapped. What cannot be read comes before what is not there:
// an authenticator may know more than it says now.
func (s *SignIn) notMapped(r *Report, found mappings, unmapped *awsauth.NotMappedError, given arn.Principal) {
	if broken := found.broken(); len(broken) > 0 {
		for _, f := range broken {
			id, name, fix := "aws-auth", "aws-auth", []string{"# " + cmp.Or(f.Hint, "mend it") + ": kubectl -n kube-system edit configmap aws-auth", "eksauth map lint"}
			if f.Source != awsauth.EKSConfigMap {
				id, name, fix = "config", "the configuration file", []string{"# " + cmp.Or(f.Hint, "mend it")}
			}
			r.bad(id, f.String(), name+" cannot be read: an authenticator that is running keeps the last good version of "+f.Key+", and one that starts now has none of it", fix...)
		}
		said := "a part of the mappings cannot be read"
		if hints := unmapped.Hints(); len(hints) > 0 {
			said += "; in what can be read, " + strings.Join(hints, "; ")
		}
		r.unknown("mapping", "whether "+unmapped.Identity.Canonical()+" is mapped", said)
		return
	}
	if found.unread != nil {
		r.unknown("mapping", "the mappings of the cluster", found.unread.Error())
		return
	}
	said := unmapped.Identity.Canonical() + " is not mapped by " + strings.Join(found.names, " or ")
	hints := unmapped.Hints()
	for _, doc := range found.docs {
		for _, e := range doc.Meant(unmapped.Identity) {
			if e.Subject() == "" {
				hints = append(hints, "an entry that is not used may be meant for it, by its username: "+e.String())
			}
		}
	}
	if len(hints) > 0 {
		said += "; " + strings.Join(hints, "; ")
	}
	fix := found.fix(given, found.like(unmapped))
	if s.EKS == nil {
		fix = append(fix, "# EKS: there may be an access entry for it, which the same with --cluster-name CLUSTER looks for; whoever made a cluster of the mode CONFIG_MAP needs no mapping")
	}
	r.bad("mapping", said, "no mapping is for this principal: the API server says Unauthorized", fix...)
}

// suggestedName is a username that is nobody else's.
func suggestedName(p arn.Principal) string {
	switch p.Kind {
	case arn.AssumedRole, arn.Role:
		return p.Name + ":{{SessionName}}"
	case arn.Root:
		return "root:" + p.AccountID
	}
	return p.Name
}

// mappings are what maps, in the order in which it is asked.
type mappings struct {
	docs    []awsauth.Document
	names   []string // of each
	cluster string   // of EKS, if aws-auth does not count there
	unread  error    // why custom resources, which come last, could not be read
}

func (m *mappings) add(name string, doc awsauth.Document) {
	m.docs, m.names = append(m.docs, doc), append(m.names, name)
}

// broken is what could not be read at all.
func (m mappings) broken() (list []awsauth.Fault) {
	for _, doc := range m.docs {
		for _, f := range doc.Faults {
			if f.Severity == awsauth.Error && f.Rule == awsauth.Readable && slices.Contains(doc.Broken, f.Key) {
				list = append(list, f)
			}
		}
	}
	return list
}

// faultsOf are the keys in an entry that nobody reads: it does not say what its author
// thinks.
func (m mappings) faultsOf(e awsauth.Entry) (list []awsauth.Fault) {
	for _, doc := range m.docs {
		end := math.MaxInt // where the next entry begins
		for _, other := range slices.Concat(doc.Entries, doc.Rejected) {
			if other.Key == e.Key && other.Line > e.Line {
				end = min(end, other.Line)
			}
		}
		for _, f := range doc.Faults {
			if f.Source == e.Source && f.Key == e.Key && f.Rule == awsauth.KnownKey && f.Line >= e.Line && f.Line < end && e.Line > 0 {
				list = append(list, f)
			}
		}
	}
	return list
}

// like is the entry that was meant, or comes nearest; nil if there is none. An entry that
// can be for nobody else, as it is, is to be replaced.
func (m mappings) like(unmapped *awsauth.NotMappedError) *likeness {
	for _, doc := range m.docs {
		for _, e := range doc.Meant(unmapped.Identity) {
			_, err := arn.ParsePrincipal(e.ARN)
			return &likeness{e, e.ARN != "" && err != nil && doc.Source == awsauth.EKSConfigMap}
		}
	}
	for _, n := range unmapped.Near() {
		p, err := arn.ParsePrincipal(n.Entry.ARN)
		id := unmapped.Identity
		// IAM has no two users whose names differ by the path alone.
		moved := err == nil && p.Kind == arn.User && id.Kind == arn.User && p.AccountID == id.AccountID && p.Partition == id.Partition && strings.EqualFold(p.Name, id.Name) && p.Path != id.Path
		return &likeness{n.Entry, moved && n.Entry.Source == awsauth.EKSConfigMap}
	}
	return nil
}

// likeness is an entry that a new one is to be like.
type likeness struct {
	awsauth.Entry
	replaced bool
}

// fits reports whether a template of the entry can be filled in for p.
func fits(template string, p arn.Principal) bool {
	return p.Kind == arn.Role || p.Kind == arn.AssumedRole || !strings.Contains(template, "{{SessionName") && !strings.Contains(template, "{{EC2PrivateDNSName")
}

// nameFor is the username that the entry gives, if it can be given to p.
func (l *likeness) nameFor(p arn.Principal) string {
	if l == nil || l.Username == "" || l.Source == awsauth.EKSAccessEntries || !fits(l.Username, p) {
		return suggestedName(p)
	}
	return l.Username
}

// groupsFor are the groups that the entry gives, if it is known which.
func (l *likeness) groupsFor(p arn.Principal) (groups []string, known bool) {
	if l == nil {
		return nil, false
	}
	for _, g := range l.Groups {
		if !fits(g, p) {
			return nil, false
		}
		if !strings.HasPrefix(g, accessentry.GroupPrefix) { // which is a policy
			groups = append(groups, g)
		}
	}
	return groups, len(groups) > 0 || l.Source != awsauth.EKSAccessEntries
}

// works reports whether an entry for p that is like this one would be used.
func (l *likeness) works(p arn.Principal) bool {
	groups, _ := l.groupsFor(p)
	var doc awsauth.Document
	doc.Add(awsauth.Entry{Key: awsauth.MapRoles, ARN: p.Canonical(), Username: l.nameFor(p), Groups: groups})
	return len(doc.Rejected) == 0
}

// fix is how to map somebody. An access entry takes the ARN with its path, which a
// session does not show; aws-auth takes it without. What is not known is not in a line that
// runs: whoever pastes it would be in a group of the name GROUP.
func (m mappings) fix(p arn.Principal, l *likeness) []string {
	if !l.works(p) {
		l = nil
	}
	groups, known := l.groupsFor(p)
	comment := ""
	if !known || m.cluster != "" && len(groups) == 0 {
		groups, comment = []string{"GROUP"}, "# "
	}
	entry := func(principal string) string {
		words := append([]string{"--kubernetes-groups"}, groups...)
		return command("aws", "eks", "create-access-entry", "--cluster-name", m.cluster, "--principal-arn") + " " + principal + " " + command(words...)
	}
	switch {
	case m.cluster == "":
		return m.edit(p, l, comment, groups)
	case p.Kind == arn.Root:
		return []string{"# no access entry is for a root user: sign in as a role or a user, and map that"}
	case p.Kind == arn.AssumedRole:
		return []string{comment + "role=$(" + command("aws", "iam", "get-role", "--role-name", p.Name, "--query", "Role.Arn", "--output", "text") + ") && " + entry(`"$role"`)}
	}
	return []string{comment + entry(command(p.String()))}
}

// edit is how to map somebody in aws-auth.
func (m mappings) edit(p arn.Principal, l *likeness, comment string, groups []string) []string {
	words := []string{"eksauth", "map", "add", p.Canonical(), "--username", l.nameFor(p)}
	for _, g := range groups {
		words = append(words, "--group", g)
	}
	fix := []string{comment + command(words...)}
	if p.Kind == arn.Root {
		fix = append(fix, "# that is the root user alone, and none of its account's users and roles; better have nobody sign in as root: map a role or a user")
	}
	if l != nil && l.replaced {
		fix = append(fix, comment+command("eksauth", "map", "remove", l.ARN))
	}
	return fix
}

// documents are the mappings that can be seen.
func (s *SignIn) documents(ctx context.Context, r *Report, p arn.Principal) (found mappings, err error) {
	configMap := s.addEntries(ctx, r, &found, p)
	if s.Config != nil {
		found.add("the configuration file", *s.Config)
	}
	if configMap {
		if err := s.addConfigMap(ctx, &found); err != nil {
			return found, err
		}
	}
	return found, s.addIdentityMappings(ctx, &found)
}

// addEntries asks EKS, and reports whether aws-auth counts besides.
func (s *SignIn) addEntries(ctx context.Context, r *Report, found *mappings, p arn.Principal) (configMap bool) {
	if s.EKS == nil {
		return true
	}
	mode, err := s.EKS.Mode(ctx)
	if err != nil {
		r.unknown("access-entries", "the cluster's access entries", err.Error())
		return true
	}
	if mode == "CONFIG_MAP" || mode == "" {
		r.ok("access-entries", "the cluster's authentication mode is CONFIG_MAP: access entries do not count")
		return true
	}
	configMap = mode != "API"
	entries, err := s.EKS.Entries(ctx, p)
	if err != nil {
		r.unknown("access-entries", "the cluster's access entries", err.Error())
		return configMap
	}
	if !configMap {
		found.cluster = s.ClusterName
	}
	said := "the cluster's authentication mode is " + mode + ", and there is no access entry for it"
	for _, e := range entries {
		said = "the access entry " + e.PrincipalARN + " is for it"
		if len(e.Policies) > 0 {
			said += ", with " + policies(e)
		}
	}
	r.ok("access-entries", said)
	found.add("access entries", accessentry.Document(entries))
	return configMap
}

func policies(e accessentry.Entry) string {
	var all []string
	for _, a := range e.Policies {
		where := "everywhere"
		if len(a.Namespaces) > 0 {
			where = "in " + strings.Join(a.Namespaces, ", ")
		}
		all = append(all, a.Policy+" "+where)
	}
	return strings.Join(all, "; ")
}

func (s *SignIn) addConfigMap(ctx context.Context, found *mappings) error {
	raw, err := s.Cluster.Get(ctx, "configmap", "kube-system", "aws-auth")
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	var object struct{ Data map[string]string }
	if err := json.Unmarshal(raw, &object); err != nil {
		return err
	}
	found.add("aws-auth", awsauth.ParseConfigMap(object.Data))
	return nil
}

func (s *SignIn) addIdentityMappings(ctx context.Context, found *mappings) error {
	raw, err := s.Cluster.List(ctx, "iamidentitymappings.iamauthenticator.k8s.aws", "")
	switch {
	case errors.Is(err, ErrForbidden): // there are such
		found.unread = err
		return nil
	case err != nil: // most clusters do not know them
		return nil
	}
	var list struct {
		Items []struct {
			Metadata objectMeta
			Spec     struct {
				ARN, Username string
				Groups        []string
			}
		}
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	var objects []awsauth.IdentityMapping
	for _, o := range list.Items {
		objects = append(objects, awsauth.IdentityMapping{Name: o.Metadata.Name, Created: o.Metadata.CreationTimestamp, ARN: o.Spec.ARN, Username: o.Spec.Username, Groups: o.Spec.Groups})
	}
	if len(objects) > 0 {
		found.add("the custom resources", awsauth.ParseIdentityMappings(objects))
	}
	return nil
}

// access says what RBAC lets them do, by two examples. To be let in and to be let do
// nothing is a fault that looks like the one before.
func (s *SignIn) access(ctx context.Context, r *Report, m awsauth.Mapping) {
	if slices.Contains(m.Groups, masters) {
		r.ok("access", "is an administrator: "+masters+" may do everything")
		return
	}
	if slices.Contains(m.Groups, accessentry.GroupPrefix+clusterAdmin) {
		r.ok("access", "is an administrator: "+clusterAdmin+" may do everything")
		return
	}
	groups := append(slices.Clone(m.Groups), "system:authenticated")
	var may []string
	for _, where := range []string{"default", ""} {
		ok, err := s.Access.Allowed(ctx, m.Username, groups, "list", "pods", where)
		if err != nil {
			r.unknown("access", "what they may do", err.Error())
			return
		}
		answer := "in " + where + ": "
		if where == "" {
			answer = "everywhere: "
		}
		if ok {
			answer += "yes"
		} else {
			answer += "no"
		}
		may = append(may, answer)
	}
	see := []string{"kubectl", "auth", "can-i", "--list", "--as", m.Username}
	for _, g := range m.Groups {
		if !strings.HasPrefix(g, accessentry.GroupPrefix) {
			see = append(see, "--as-group", g)
		}
	}
	besides := ""
	if slices.ContainsFunc(m.Groups, func(g string) bool { return strings.HasPrefix(g, accessentry.GroupPrefix) }) {
		besides = ", by RBAC; EKS decides by access policies besides"
	}
	r.ok("access", "signs in; may list pods "+strings.Join(may, ", ")+besides+": see "+command(see...))
}
