package awsauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ParseBackendMode reads the file of aws-iam-authenticator's dynamicBackendModePath,
// such as {"backendMode": "MountedFile EKSConfigMap"}: the sources to search, in
// order.
func ParseBackendMode(data []byte) ([]string, error) {
	var file struct {
		BackendMode *string `json:"backendMode"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if file.BackendMode == nil {
		return nil, errors.New(`it has no "backendMode"`)
	}
	list := strings.FieldsFunc(*file.BackendMode, func(r rune) bool { return r == ' ' || r == ',' })
	if len(list) == 0 {
		return nil, fmt.Errorf("its backendMode is empty; known: %s", strings.Join(modes(), ", "))
	}
	for i, mode := range list {
		if !slices.Contains(modes(), mode) {
			return nil, fmt.Errorf("the backendMode %s is not known; %s", quote(mode), didYouMean(mode, modes()))
		}
		if slices.Contains(list[:i], mode) {
			return nil, fmt.Errorf("the backendMode %s is there twice", mode)
		}
	}
	return list, nil
}

// SearchOrder is the order in which sources are searched: the one given, but access
// entries first, because in EKS an access entry wins over aws-auth.
func SearchOrder(sources []string) []string {
	order := slices.Clone(sources)
	if i := slices.Index(order, EKSAccessEntries); i > 0 {
		order = slices.Insert(slices.Delete(order, i, i+1), 0, EKSAccessEntries)
	}
	return order
}
