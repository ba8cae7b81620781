package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

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
