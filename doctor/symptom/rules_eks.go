package symptom

// eksRules are about mappings, access entries and the EKS API.
var eksRules = []rule{
	{
		id: "aws-auth-missing", group: "aws-auth",
		known: []pattern{"configmaps 'aws-auth' not found", "configmap 'aws-auth' not found", "the configmap 'aws-auth' does not exist"},
		title: "the cluster has no aws-auth",
		means: "EKS makes it with the first managed node group or Fargate profile, and never in a cluster that uses access entries alone.",
		cause: []Cause{
			{"the cluster uses access entries", "aws eks describe-cluster --name {cluster} --query cluster.accessConfig.authenticationMode", "aws eks create-access-entry --cluster-name {cluster} --principal-arn ARN"},
			{"there was no node group yet, or somebody deleted it", "kubectl -n kube-system get configmaps", "create it, with the nodes' role first: eksauth map add"},
			{"kubectl asks another cluster", "kubectl config current-context", newConfig},
		},
	},
	{
		id: "aws-auth-exists", group: "aws-auth",
		known: []pattern{"configmaps 'aws-auth' already exists", "configmap 'aws-auth' already exists"},
		title: "Terraform wants to create an aws-auth that EKS has made already",
		means: "EKS made it with the node group, before this run did.",
		cause: []Cause{
			{"two owners of one ConfigMap", "kubectl -n kube-system get configmap aws-auth -o yaml --show-managed-fields", "terraform import it, or kubernetes_config_map_v1_data with force, or leave it to one: eksauth map add changes single entries"},
			{"the module was made for clusters without access entries", "aws eks describe-cluster --name {cluster} --query cluster.accessConfig", "move to access entries: eksauth map convert"},
		},
	},
	{
		id: "authentication-mode", group: "eks",
		known: []pattern{"authentication mode must be set to one of [api, api_and_config_map]", "authentication mode must be set to one of", "bootstrapclustercreatoradminpermissions must be true if cluster authentication mode is set to config_map", "unsupported authentication mode update"},
		title: "the cluster's authentication mode does not allow this",
		means: "Access entries need API_AND_CONFIG_MAP or API. From CONFIG_MAP the way is over API_AND_CONFIG_MAP, and there is none back.",
		cause: []Cause{
			{"the mode is CONFIG_MAP", "aws eks describe-cluster --name {cluster} --query cluster.accessConfig.authenticationMode", "aws eks update-cluster-config --name {cluster} --access-config authenticationMode=API_AND_CONFIG_MAP"},
			{"Terraform has no access_config block, so the mode is the old default", "terraform state show aws_eks_cluster.NAME", `access_config { authentication_mode = "API_AND_CONFIG_MAP" }`},
		},
	},
	{
		id: "access-entry-exists", group: "eks",
		known: []pattern{"the specified access entry resource is already in use on this cluster", "resourceinuseexception … access entry"},
		title: "there is an access entry for this principal already",
		means: "A principal has one entry in a cluster. EKS makes those of whoever created the cluster, and of node groups, itself.",
		cause: []Cause{
			{"EKS or somebody else made it", "aws eks describe-access-entry --cluster-name {cluster} --principal-arn {role}", "aws eks update-access-entry, or import it into Terraform"},
			{"Terraform: bootstrap_cluster_creator_admin_permissions and an entry for the same principal", "aws eks list-access-entries --cluster-name {cluster}", "leave one of them out"},
		},
	},
	{
		id: "cluster-not-found", group: "eks",
		known: []pattern{"no cluster found for name", "resourcenotfoundexception … no cluster found"},
		title: "EKS knows no such cluster here",
		means: "There is no cluster {cluster} in this account and region.",
		cause: []Cause{
			{"the region is another", "aws eks list-clusters --region {region}", "eksauth kubeconfig --region REGION --name {cluster}"},
			{"the account is another", whoAmI, "name the profile: eksauth kubeconfig --name {cluster} --profile NAME"},
			{"the name is misspelt; an ARN is not a name", "aws eks list-clusters", newConfig},
		},
	},
}
