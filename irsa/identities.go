package irsa

import (
	"encoding/json"
	"fmt"
)

// Identities are the service accounts that use EKS Pod Identity. A nil
// *Identities has none.
type Identities struct {
	accounts map[identity]bool
}

type identity struct {
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
}

// ParseIdentities reads the file that amazon-eks-pod-identity-webhook watches:
// {"identities": [{"namespace": …, "serviceAccount": …}, …]}. Other keys are
// left alone: the file is written by others.
func ParseIdentities(data []byte) (*Identities, error) {
	var file struct {
		Identities []identity `json:"identities"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("not a list of identities in JSON: %w", err)
	}
	i := &Identities{accounts: make(map[identity]bool, len(file.Identities))}
	for n, id := range file.Identities {
		if id.Namespace == "" || id.ServiceAccount == "" {
			return nil, fmt.Errorf("identities[%d] lacks a namespace or a serviceAccount", n)
		}
		i.accounts[id] = true
	}
	return i, nil
}

// Has reports whether a service account uses EKS Pod Identity.
func (i *Identities) Has(namespace, serviceAccount string) bool {
	return i != nil && i.accounts[identity{namespace, serviceAccount}]
}
