package arn

import "strings"

// Kind says what sort of principal an ARN names.
type Kind uint8

// The principals that GetCallerIdentity can answer with, and Role, which only
// policies and mappings name.
const (
	Root          Kind = iota + 1 // arn:aws:iam::ACCOUNT:root
	User                          // arn:aws:iam::ACCOUNT:user/PATH/NAME
	Role                          // arn:aws:iam::ACCOUNT:role/PATH/NAME
	AssumedRole                   // arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION
	FederatedUser                 // arn:aws:sts::ACCOUNT:federated-user/NAME
)

// String is the kind as it stands in an ARN's resource.
func (k Kind) String() string {
	switch k {
	case Root:
		return "root"
	case User:
		return "user"
	case Role:
		return "role"
	case AssumedRole:
		return "assumed-role"
	case FederatedUser:
		return "federated-user"
	}
	return "unknown"
}

// Principal is an IAM or STS principal, from its ARN.
type Principal struct {
	Kind      Kind
	Partition string
	AccountID string // twelve digits
	// Path is the IAM path, "/" or "/team/". Sessions do not carry the path
	// of their role: it is "" there.
	Path    string
	Name    string // of the user, the role or the federated user; "" for root
	Session string // the role session's name; only for AssumedRole
}

// ParsePrincipal reads the ARN of a principal. The partition must be one that
// AWS has, and the account twelve digits. Errors are *SyntaxError.
//
// Source: "IAM identifiers" and "AWS JSON policy elements: Principal" in the
// IAM user guide.
func ParsePrincipal(s string) (Principal, error) {
	a, err := Parse(s)
	if err != nil {
		return Principal{}, err
	}
	bad := func(message string) (Principal, error) {
		return Principal{}, &SyntaxError{ARN: s, Message: message}
	}
	if _, ok := PartitionByID(a.Partition); !ok {
		return bad("names the partition " + a.Partition + ", which AWS does not have")
	}
	if !IsAccountID(a.AccountID) {
		return bad("has no account id of twelve digits")
	}
	if a.Region != "" {
		return bad("has a region, but principals have none")
	}
	p := Principal{Partition: a.Partition, AccountID: a.AccountID}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	switch {
	case a.Service == "iam" && a.Resource == "root":
		p.Kind = Root
		return p, nil
	case a.Service == "iam" && kind == "user":
		p.Kind = User
	case a.Service == "iam" && kind == "role":
		p.Kind = Role
	case a.Service == "sts" && kind == "assumed-role":
		p.Kind = AssumedRole
		var ok bool
		p.Name, p.Session, ok = strings.Cut(rest, "/")
		if !ok || p.Name == "" || p.Session == "" || strings.Contains(p.Session, "/") {
			return bad("is not assumed-role/ROLE/SESSION")
		}
		return p, nil
	case a.Service == "sts" && kind == "federated-user":
		p.Kind = FederatedUser
		p.Name = rest
		if rest == "" || strings.Contains(rest, "/") {
			return bad("is not federated-user/NAME")
		}
		return p, nil
	case a.Service == "iam" && kind == "instance-profile":
		return bad("is an instance profile; give the ARN of its role")
	default:
		return bad("is not a user, a role, a role session, a federated user or root")
	}
	i := strings.LastIndexByte(rest, '/')
	p.Path, p.Name = "/"+rest[:i+1], rest[i+1:]
	if p.Name == "" || strings.Contains(p.Path, "//") {
		return bad("has no " + kind + " name")
	}
	return p, nil
}

// String is the ARN: the inverse of ParsePrincipal.
func (p Principal) String() string {
	a := ARN{Partition: p.Partition, Service: "iam", AccountID: p.AccountID}
	switch p.Kind {
	case AssumedRole:
		a.Service, a.Resource = "sts", "assumed-role/"+p.Name+"/"+p.Session
	case FederatedUser:
		a.Service, a.Resource = "sts", "federated-user/"+p.Name
	case Root:
		a.Resource = "root"
	default:
		a.Resource = p.Kind.String() + orSlash(p.Path) + p.Name
	}
	return a.String()
}

// Canonical is the ARN that mappings are compared with: of a role session, its
// role; of a role, its ARN without the path, because a session does not say
// which path its role has. Role names are unique in an account whatever their
// path. All other principals are themselves.
func (p Principal) Canonical() string {
	if p.Kind == AssumedRole || p.Kind == Role {
		return Principal{Kind: Role, Partition: p.Partition, AccountID: p.AccountID, Name: p.Name}.String()
	}
	return p.String()
}

func orSlash(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// Identity is a principal that has proven who it is: what STS's
// GetCallerIdentity said of the signer of a request.
type Identity struct {
	Principal
	// UserID is the unique id behind the principal, which survives no
	// deletion: AIDA… of a user, AROA… of a role (without the session's
	// name), the account's id of root, ACCOUNT:NAME of a federated user.
	UserID string
	// AccessKeyID is the key that signed; "" when it is not known.
	AccessKeyID string
}
