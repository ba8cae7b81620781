package awsauth

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Every setting, in the spellings of aws-iam-authenticator's README and of the
// files in its hack/dev.
const fullConfig = `
clusterID: my-dev-cluster.example.com
defaultRole: arn:aws:iam::000000000000:role/KubernetesAdmin
server:
  port: 21443
  hostname: auth.example.com
  address: "::1"
  stateDir: /var/lib/eksauth
  generateKubeconfig: /etc/kubernetes/eksauth.kubeconfig
  kubeconfigPregenerated: true
  kubeconfig: /etc/kubernetes/admin.conf
  master: https://10.0.0.1:6443
  partition: aws-cn
  ec2DescribeInstancesRoleARN: arn:aws:iam::000000000000:role/DescribeInstancesRole
  ec2DescribeInstancesQps: 20
  ec2DescribeInstancesBurst: "10"
  scrubbedAccounts:
  - "111122223333"
  - 012345678901
  mapRoles:
  - roleARN: arn:aws:iam::000000000000:role/KubernetesAdmin
    username: kubernetes-admin
    groups:
    - system:masters
  mapUsers:
  - userarn: arn:aws:iam::000000000000:user/Alice
    username: alice
    groups: system:masters,dev
  mapAccounts:
  - "012345678901"
  backendmode: [ "MountedFile", "DynamicFile" ]
  dynamicfilepath: /etc/dynamic.json
  dynamicfileUserIDStrict: true
  dynamicBackendModePath: /etc/mode.json
  reservedPrefixConfig:
  - backendmode: DynamicFile
    usernamePrefixReserveList:
    - "aws:"
    - "system:"
`

func TestParseConfigReadsEverySetting(t *testing.T) {
	t.Parallel()
	got, err := ParseConfig([]byte(fullConfig))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		ClusterID:   "my-dev-cluster.example.com",
		DefaultRole: "arn:aws:iam::000000000000:role/KubernetesAdmin",
		Server: Server{
			Port: 21443, Hostname: "auth.example.com", Address: "::1",
			StateDir: "/var/lib/eksauth", GenerateKubeconfig: "/etc/kubernetes/eksauth.kubeconfig", KubeconfigPregenerated: true,
			Kubeconfig: "/etc/kubernetes/admin.conf", Master: "https://10.0.0.1:6443", Partition: "aws-cn",
			BackendMode:                 []string{"MountedFile", "DynamicFile"},
			ScrubbedAccounts:            []string{"111122223333", "012345678901"},
			ReservedPrefixes:            map[string][]string{"DynamicFile": {"aws:", "system:"}},
			EC2DescribeInstancesRoleARN: "arn:aws:iam::000000000000:role/DescribeInstancesRole",
			EC2DescribeInstancesQPS:     20, EC2DescribeInstancesBurst: 10,
			DynamicFilePath: "/etc/dynamic.json", DynamicFileUserIDStrict: true, DynamicBackendModePath: "/etc/mode.json",
		},
		Mappings: Document{Source: "MountedFile", Entries: []Entry{
			{Source: "MountedFile", Key: "mapRoles", Line: 21, ARN: "arn:aws:iam::000000000000:role/KubernetesAdmin", Username: "kubernetes-admin", Groups: []string{"system:masters"}},
			{Source: "MountedFile", Key: "mapUsers", Line: 26, ARN: "arn:aws:iam::000000000000:user/Alice", Username: "alice", Groups: []string{"system:masters", "dev"}},
			{Source: "MountedFile", Key: "mapAccounts", Line: 30, Account: "012345678901"},
		}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	// It has a dynamicBackendModePath, so that the others may come.
	wantSources := []Source{
		{Name: "MountedFile"}, {Name: "DynamicFile", ReservedPrefixes: []string{"aws:", "system:"}},
		{Name: "EKSConfigMap", Idle: true}, {Name: "CRD", Idle: true}, {Name: "EKSAccessEntries", Idle: true},
	}
	if diff := cmp.Diff(wantSources, got.Sources()); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

// The defaults of the flags in cmd/aws-iam-authenticator of v0.7.10.
func TestParseConfigHasThePeersDefaults(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "clusterID:\nserver:\n", "server: {port: , mapRoles: , backendMode: , partition: null}"} {
		got, err := ParseConfig([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		want := Server{
			Port: 21362, Hostname: "localhost", Address: "127.0.0.1",
			StateDir:           "/var/aws-iam-authenticator",
			GenerateKubeconfig: "/etc/kubernetes/aws-iam-authenticator/kubeconfig.yaml",
			Partition:          "aws", BackendMode: []string{"MountedFile"},
			EC2DescribeInstancesQPS: 15, EC2DescribeInstancesBurst: 5,
		}
		if diff := cmp.Diff(want, got.Server); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestParseConfigReportsAllFaultsTogether(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig([]byte(`clusterID: dev
clusterid: prod
kluster: x
server:
  port: 70000
  prot: 1
  address: 127.0.0.1:21362
  hostname: [a]
  partition: aws-chn
  kubeconfigPregenerated: maybe
  scrubbedAccounts: [1, "111122223333"]
  ec2DescribeInstancesRoleARN: arn:aws:iam::000000000000:user/x
  ec2DescribeInstancesQps: 0
  backendMode: {a: b}
  reservedPrefixConfig:
  - backendMode: Nowhere
  - text
  mapUsers:
  - userarn: ada
    username: ada
  mapAccounts:
  - [a]
defaultRole: role
`))
	want := []string{
		`line 2: error: the key "clusterid" is there twice; keep one of them; case does not tell them apart`,
		`line 3: error: the setting "kluster" is not known; known here: clusterID, defaultRole, server`,
		`server.port line 5: error: server.port is "70000"; write a number from 1 to 65535`,
		`server line 6: error: the setting "server.prot" is not known; did you mean port?`,
		`server.address line 7: error: server.address is "127.0.0.1:21362"; write an IP address or a host name; the port is server.port`,
		`server.hostname line 8: error: server.hostname is a list, not a text`,
		`server.partition line 9: error: AWS has no partition "aws-chn"; did you mean aws-cn?`,
		`server.kubeconfigPregenerated line 10: error: server.kubeconfigPregenerated is "maybe"; write true or false`,
		`server.scrubbedAccounts line 11: error: server.scrubbedAccounts has "1"; an account id has twelve digits; put it in quotes`,
		`server.ec2DescribeInstancesRoleARN line 12: error: server.ec2DescribeInstancesRoleARN: "arn:aws:iam::000000000000:user/x" is not a role; write it as arn:aws:iam::111122223333:role/NAME`,
		`server.ec2DescribeInstancesQps line 13: error: server.ec2DescribeInstancesQps is "0"; write a number from 1 to 10000`,
		`server.backendMode line 14: error: server.backendMode is a mapping, not a list; begin each value with a dash`,
		`server.reservedPrefixConfig line 16: error: server.reservedPrefixConfig: the backendMode "Nowhere" is not known; known here: MountedFile, EKSConfigMap, CRD, DynamicFile, EKSAccessEntries`,
		`server.reservedPrefixConfig line 17: error: server.reservedPrefixConfig has a text, not a mapping; give backendMode and usernamePrefixReserveList`,
		`mapUsers line 19: error: "ada" does not begin with "arn:"; write it as arn:aws:iam::111122223333:user/NAME`,
		`mapAccounts line 22: error: the account is a list, not a text`,
		`defaultRole line 23: error: defaultRole: "role" does not begin with "arn:"; write it as arn:aws:iam::111122223333:role/NAME`,
	}
	for i := range want {
		want[i] = "MountedFile " + want[i]
	}
	var bad *ConfigError
	if !errors.As(err, &bad) {
		t.Fatalf("ParseConfig: %v", err)
	}
	if diff := cmp.Diff(strings.Join(want, "\n"), bad.Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if c.ClusterID != "dev" || c.Server.Port != 21362 {
		t.Errorf("what could be read was not, or what could not be was: %+v", c)
	}
}

func TestParseConfigRefusesWhatIsNoConfiguration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"- a":                              "line 1: error: the file is a list, not a mapping; begin with clusterID: and server:",
		"clusterID: a\n b: c":              "line 2: error: the file is not YAML: ",
		"clusterID: a\n---\nserver: {}":    "line 2: error: only the first YAML document would be read",
		"clusterID: a\nserver: b":          "server line 2: error: server is a text, not a mapping; indent its settings under it",
		"clusterID: a\nserver:\n- b":       "server line 2: error: server is a list, not a mapping",
		"server:\n  mapRoles: {a: b}":      "mapRoles line 2: error: mapRoles is a mapping, not a list",
		"server:\n  <<: text":              "server line 2: error: this is not a mapping",
		"x: " + strings.Repeat("a", 1<<24): "the file is longer than 16777216 bytes",
	} {
		_, err := ParseConfig([]byte(text))
		var bad *ConfigError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v\nwant %s", shorten(text), err, want)
		}
	}
}

// Entries that cannot be used are no reason not to start with the others.
func TestParseConfigUsesTheGoodEntriesOfAPartlyBadList(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig([]byte("server:\n  mapUsers:\n  - userarn: ada\n  - userarn: arn:aws:iam::111122223333:user/bob\n    username: bob\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Mappings.Entries) != 1 || c.Mappings.Entries[0].Username != "bob" || countFaults(c.Mappings.Faults, Error) != 1 {
		t.Errorf("%+v", c.Mappings)
	}
}

func TestParseConfigWarnsOfOldAndForeignKeys(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig([]byte("clusterID: dev\nregion: eu-west-1\nserver:\n  backendMode: File, ConfigMap CRD\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"MountedFile region line 2: warning: region is for the token command; the authenticator does not read it",
		"MountedFile server.backendMode line 4: warning: the backendMode File has a new name; write MountedFile",
		"MountedFile server.backendMode line 4: warning: the backendMode ConfigMap has a new name; write EKSConfigMap",
	}
	if diff := cmp.Diff(want, lines(c.Faults)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"MountedFile", "EKSConfigMap", "CRD"}, c.Server.BackendMode); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestValidateChecksSettingsAgainstEachOther(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"server: {}": "clusterID: error: there is no clusterID; give the cluster's id or name; tokens carry it, so that one cluster's are no good for another",
		"clusterID: a\nserver:\n  backendMode: []":                                     "server.backendMode line 3: error: there is no backendMode; known: MountedFile, EKSConfigMap, CRD, DynamicFile, EKSAccessEntries",
		"clusterID: a\nserver:\n  backendMode: [EKSConfigmaps]":                        `server.backendMode line 3: error: the backendMode "EKSConfigmaps" is not known; did you mean EKSConfigMap?`,
		"clusterID: a\nserver:\n  backendMode: [File, MountedFile]":                    "server.backendMode line 3: error: the backendMode MountedFile is there twice; each source is searched once",
		"clusterID: a\nserver:\n  backendMode: [DynamicFile]":                          "server.backendMode line 3: error: the backendMode DynamicFile has no file; set server.dynamicfilepath",
		"clusterID: a\nserver:\n  dynamicfilepath: /x":                                 "server.dynamicfilepath line 3: error: dynamicfilepath is not used without the backendMode DynamicFile; add DynamicFile to server.backendMode",
		"clusterID: a\nserver:\n  dynamicfilepath: /x\n  backendMode: [DynamicFile]":   "",
		"clusterID: a\nserver:\n  backendMode: [EKSConfigMap, MountedFile]\n  port: 1": "",
	} {
		c, err := ParseConfig([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
}
