package awslocal

import (
	"encoding/json"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/eksauth/eksauth/iam"
)

// podAudience is the audience of the tokens that pods show to AWS, in all
// partitions.
const podAudience = "sts.amazonaws.com"

// providerARN is what policies call the provider of an issuer.
func providerARN(partition, account, issuer string) string {
	return "arn:" + partition + ":iam::" + account + ":oidc-provider/" + withoutScheme(issuer)
}

// withoutScheme is the issuer in ARNs and before the condition keys of its
// claims: HOST/PATH.
func withoutScheme(issuer string) string { return strings.TrimPrefix(issuer, "https://") }

// trust is the trust policy in force of a role. A role that trusts nobody,
// because no cluster has an issuer yet, has none.
func (r RoleRecord) trust(tx *bbolt.Tx, partition string) (*iam.Policy, error) {
	doc, err := r.trustDocument(tx, partition)
	if err != nil || doc == "" {
		return nil, err
	}
	return iam.Parse([]byte(doc), iam.TrustPolicy)
}

// trustDocument is the policy that the role was given, with a statement for each
// cluster that the role trusts service accounts of; "" if there is neither.
func (r RoleRecord) trustDocument(tx *bbolt.Tx, partition string) (PolicyDocument, error) {
	if len(r.ServiceAccounts) == 0 {
		return r.TrustPolicy, nil
	}
	statements, err := r.serviceAccountStatements(tx, partition)
	if err != nil {
		return "", err
	}
	return addStatements(r.TrustPolicy, statements)
}

// statement is of the trust policy of a role for service accounts.
//
// Source: "Assign IAM roles to Kubernetes service accounts" in the EKS user guide.
type statement struct {
	Effect    string
	Principal struct{ Federated string }
	Action    string
	Condition struct{ StringEquals map[string][]string }
}

// serviceAccountStatements are in the order in which the role names the clusters.
func (r RoleRecord) serviceAccountStatements(tx *bbolt.Tx, partition string) ([]statement, error) {
	var statements []statement
	place := map[string]int{} // by issuer
	for _, s := range r.ServiceAccounts {
		cluster, err := r.trustedCluster(tx, partition, s.Cluster)
		if err != nil {
			return nil, err
		}
		issuer := cluster.issuer()
		if issuer == "" {
			continue
		}
		key := withoutScheme(issuer)
		if _, there := place[issuer]; !there {
			place[issuer] = len(statements)
			added := statement{Effect: "Allow", Action: "sts:AssumeRoleWithWebIdentity"}
			added.Principal.Federated = providerARN(partition, r.Account, issuer)
			added.Condition.StringEquals = map[string][]string{key + ":aud": {podAudience}}
			statements = append(statements, added)
		}
		equals := statements[place[issuer]].Condition.StringEquals
		equals[key+":sub"] = append(equals[key+":sub"], "system:serviceaccount:"+s.Namespace+":"+s.Name)
	}
	return statements, nil
}

// trustedCluster finds a cluster of the role's account. One that is not there
// has no issuer.
func (r RoleRecord) trustedCluster(tx *bbolt.Tx, partition, nameOrARN string) (ClusterRecord, error) {
	var found ClusterRecord
	account := Account{ID: r.Account, Partition: partition}
	err := clusterTable.eachOf(tx, r.Account, func(c ClusterRecord) {
		if k := c.cluster(); k.isCalled(nameOrARN, &account) {
			found = c
		}
	})
	return found, err
}

// addStatements adds to a trust policy, or makes one.
func addStatements(doc PolicyDocument, added []statement) (PolicyDocument, error) {
	if len(added) == 0 {
		return doc, nil
	}
	policy := map[string]json.RawMessage{"Version": json.RawMessage(`"` + iam.Version2012 + `"`)}
	var statements []json.RawMessage
	if doc != "" {
		clear(policy)
		if err := json.Unmarshal([]byte(doc), &policy); err != nil {
			return "", err
		}
		if err := json.Unmarshal(policy["Statement"], &statements); err != nil {
			statements = []json.RawMessage{policy["Statement"]} // one without a list
		}
	}
	for _, s := range added {
		text, err := json.Marshal(s)
		if err != nil {
			return "", err
		}
		statements = append(statements, text)
	}
	var err error
	if policy["Statement"], err = json.Marshal(statements); err != nil {
		return "", err
	}
	text, err := json.Marshal(policy)
	return PolicyDocument(text), err
}
