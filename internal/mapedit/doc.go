// Package mapedit reads the text in which people keep aws-auth: the manifest of
// a ConfigMap, alone or among others.
//
// What the mappings mean is package awsauth's. It does no I/O.
package mapedit
