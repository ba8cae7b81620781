// Package awslocal is the local AWS: one embedded store, and on one listener
// the STS API and the calls of the EKS API that signing in needs.
//
// A World says what there is: accounts, users, access keys, roles, identity
// providers, clusters and who becomes whom in them, and which service accounts
// may have which role. ParseWorld reads it from a strict YAML file. A Store
// keeps it in one file of a data directory, together with what was generated
// for it (unique ids, access keys, the key of the session tokens), and survives
// kill -9 at any moment. A Server answers from the Store; every request reads
// what is there now.
//
// It enforces what AWS enforces where it answers at all, and says so where it
// does not: authorisation of EKS calls ends at the account, because identity
// policies are not there yet. For other services it answers with an error of
// theirs.
//
// It may import every package of this module except those that need
// Kubernetes; it imports no AWS SDK (its tests use the SDK as the client).
package awslocal
