// Package awslocal is what the local AWS has: a world, kept in one embedded store.
//
// A World says what there is: accounts, users, access keys, roles, identity
// providers, clusters and who becomes whom in them, and which service accounts
// may have which role. ParseWorld reads it from a strict YAML file. A Store
// keeps it in one file of a data directory, together with what was generated
// for it (unique ids, access keys, the key of the session tokens), and survives
// kill -9 at any moment. The APIs over it stand in the packages below this one;
// every request of theirs reads what is there now.
//
// It speaks no protocol, and imports neither Kubernetes nor an AWS SDK.
package awslocal
