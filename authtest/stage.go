package authtest

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/awslocal"
	"github.com/eksauth/eksauth/iam"
	"github.com/eksauth/eksauth/sts"
)

const (
	defaultAccount = "111122223333"
	defaultRegion  = "us-east-1"
)

// stage is a suite's world, with the engines that are asked about it.
type stage struct {
	suite    *Suite
	world    *awslocal.World
	store    *awslocal.Store
	auth     *sts.Authenticator
	sts      *sts.Handler
	reasons  *reasons
	tables   map[string]*awsauth.Table // by cluster
	warnings []string
}

// newStage builds the world. close ends it.
func newStage(s *Suite) (*stage, error) {
	g := &stage{suite: s, world: &awslocal.World{}, tables: map[string]*awsauth.Table{}, reasons: &reasons{}}
	if s.World != "" {
		w, err := awslocal.ReadWorld(s.path(s.World))
		if err != nil {
			return nil, err
		}
		g.world = w
	}
	if err := g.declare(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "eksauth-test-")
	if err != nil {
		return nil, err
	}
	if g.store, err = awslocal.Open(dir, time.Now); err == nil {
		err = g.store.Apply(g.world)
	}
	if err == nil {
		err = g.readMappings()
	}
	if err != nil {
		g.close()
		os.RemoveAll(dir)
		return nil, fmt.Errorf("%s: %w", s.File, err)
	}
	g.auth = &sts.Authenticator{Directory: g.store, Sessions: g.store.Sessions(), Now: time.Now, Managed: g.store}
	g.sts = &sts.Handler{
		Auth: g.auth, Log: slog.New(g.reasons), WebIdentity: &sts.WebIdentity{Providers: g.store, Tokens: believed{}},
	}
	return g, nil
}

func (g *stage) close() {
	if g.store != nil {
		g.store.Close()
		os.RemoveAll(g.store.Dir())
	}
}

// account is the suite's account in the world.
func (g *stage) account() *awslocal.Account {
	id := g.accountID()
	i := slices.IndexFunc(g.world.Accounts, func(a awslocal.Account) bool { return a.ID == id })
	if i < 0 {
		g.world.Accounts = append(g.world.Accounts, awslocal.Account{ID: id})
		i = len(g.world.Accounts) - 1
	}
	return &g.world.Accounts[i]
}

func (g *stage) accountID() string {
	if g.suite.Account == "" && len(g.world.Accounts) > 0 {
		return g.world.Accounts[0].ID
	}
	return cmp.Or(g.suite.Account, defaultAccount)
}

// declare adds what the suite declares to the world.
func (g *stage) declare() error {
	a := g.account()
	for _, c := range g.suite.Clusters {
		// Every cluster has an issuer: who asks for a role by a token needs one.
		issuer := cmp.Or(c.Issuer, "https://oidc."+strings.ToLower(c.Name)+".example.com")
		a.Clusters = append(a.Clusters, awslocal.Cluster{Name: c.Name, Region: cmp.Or(c.Region, defaultRegion), OIDCIssuer: issuer})
	}
	for i := range g.world.Accounts {
		for k := range g.world.Accounts[i].Clusters {
			c := &g.world.Accounts[i].Clusters[k]
			c.OIDCIssuer = cmp.Or(c.OIDCIssuer, "https://oidc."+strings.ToLower(c.Name)+".example.com")
		}
	}
	for _, r := range g.suite.Roles {
		trust, err := g.document(r.TrustPolicy, iam.TrustPolicy)
		if err != nil {
			return err
		}
		role := awslocal.Role{Name: r.Name, Path: r.Path, TrustPolicy: trust, MaxSessionDuration: 43200}
		if role.InlinePolicies, role.ManagedPolicies, err = g.policies(r.Policies); err != nil {
			return err
		}
		a.Roles = append(a.Roles, role)
	}
	for _, u := range g.suite.Users {
		user := awslocal.User{Name: u.Name, Path: u.Path}
		var err error
		if user.InlinePolicies, user.ManagedPolicies, err = g.policies(u.Policies); err != nil {
			return err
		}
		a.Users = append(a.Users, user)
	}
	g.declareOthers()
	return nil
}

func (g *stage) policies(list []string) (inline []awslocal.InlinePolicy, managed []string, err error) {
	for i, p := range list {
		if strings.HasPrefix(p, "arn:") {
			managed = append(managed, p)
			continue
		}
		document, err := g.document(p, iam.IdentityPolicy)
		if err != nil {
			return nil, nil, err
		}
		inline = append(inline, awslocal.InlinePolicy{Name: fmt.Sprintf("%d-%s", i+1, nameOf(p)), Document: document})
	}
	return inline, managed, nil
}

// nameOf makes the name of a policy of its file's.
func nameOf(path string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, filepath.Base(path))
}

// document reads a policy, JSON or YAML.
func (g *stage) document(path string, kind iam.Kind) (awslocal.PolicyDocument, error) {
	if path == "" {
		return "", fmt.Errorf("%s: a role has no trustPolicy", g.suite.File)
	}
	text, err := os.ReadFile(g.suite.path(path))
	if err != nil {
		return "", err
	}
	document, err := awslocal.ReadPolicy(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", g.suite.path(path), err)
	}
	if _, err := iam.Parse([]byte(document), kind); err != nil {
		return "", fmt.Errorf("%s: %w", g.suite.path(path), err)
	}
	return document, nil
}

// readMappings makes the tables of the clusters: access entries before aws-auth, as
// their modes say.
func (g *stage) readMappings() error {
	clusters, err := g.store.Clusters()
	if err != nil {
		return err
	}
	for _, c := range clusters {
		var docs []awsauth.Document
		if c.AuthenticationMode != awslocal.ConfigMapMode {
			var entries []accessentry.Entry
			for _, e := range c.AccessEntries {
				entries = append(entries, e.Meaning())
			}
			doc := accessentry.Document(entries)
			doc.Source = awsauth.EKSAccessEntries
			docs = append(docs, doc)
		}
		if c.AuthenticationMode != awslocal.APIMode {
			doc, err := c.Mappings()
			if err != nil {
				return err
			}
			docs = append(docs, doc)
		}
		if i := slices.IndexFunc(g.suite.Clusters, func(k Cluster) bool { return k.Name == c.Name && k.AWSAuth != "" }); i >= 0 {
			doc, err := g.awsAuth(g.suite.Clusters[i].AWSAuth)
			if err != nil {
				return err
			}
			docs = append(docs, doc)
		}
		g.tables[c.Name] = awsauth.NewTable(docs...)
	}
	return nil
}

// awsAuth reads the manifest of a ConfigMap. What is wrong in it is a warning: the
// authenticator goes on as well.
func (g *stage) awsAuth(path string) (awsauth.Document, error) {
	text, err := os.ReadFile(g.suite.path(path))
	if err != nil {
		return awsauth.Document{}, err
	}
	var manifest struct {
		Kind string            `yaml:"kind"`
		Data map[string]string `yaml:"data"`
	}
	if err := yaml.Unmarshal(text, &manifest); err != nil || manifest.Kind != "ConfigMap" {
		return awsauth.Document{}, fmt.Errorf("%s is not the manifest of a ConfigMap", g.suite.path(path))
	}
	doc := awsauth.ParseConfigMap(manifest.Data)
	for _, f := range doc.Faults {
		g.warnings = append(g.warnings, g.suite.path(path)+": "+f.String())
	}
	return doc, nil
}

// principal reads an ARN, or KIND/PATH/NAME of the suite's account.
func (g *stage) principal(s string) (arn.Principal, error) {
	if !strings.HasPrefix(s, "arn:") {
		s = "arn:aws:iam::" + g.accountID() + ":" + s
	}
	return arn.ParsePrincipal(s)
}

// role finds a role by its ARN, or by its name in the suite's account.
func (g *stage) role(s string) (arn.Principal, error) {
	if strings.HasPrefix(s, "arn:") {
		p, err := arn.ParsePrincipal(s)
		if err == nil && p.Kind != arn.Role {
			err = fmt.Errorf("%s is not a role", s)
		}
		return p, err
	}
	roles, err := g.store.Roles()
	if err != nil {
		return arn.Principal{}, err
	}
	for _, r := range roles {
		if r.AccountID == g.accountID() && strings.EqualFold(r.Name, strings.TrimPrefix(s, "role/")) {
			return r, nil
		}
	}
	return arn.Principal{}, fmt.Errorf("there is no role %s in the account %s", s, g.accountID())
}

// cluster is the one of the test, or the only one.
func (g *stage) cluster(name string) (awslocal.PlacedCluster, error) {
	all, err := g.store.Clusters()
	if err != nil {
		return awslocal.PlacedCluster{}, err
	}
	if name == "" {
		if len(all) != 1 {
			return awslocal.PlacedCluster{}, fmt.Errorf("say which cluster: there are %d", len(all))
		}
		return all[0], nil
	}
	c, err := g.store.Cluster(name)
	if errors.Is(err, sts.ErrNotFound) {
		err = fmt.Errorf("there is no cluster %s", name)
	}
	return c, err
}
