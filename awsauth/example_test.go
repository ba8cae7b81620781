package awsauth_test

import (
	"errors"
	"fmt"

	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/awsauth"
)

func Example() {
	doc := awsauth.ParseConfigMap(map[string]string{"mapUsers": `
- userarn: arn:aws:iam::111122223333:user/ada.lovelace
  username: ada.lovelace
  groups:
  - awesome-app-admin
- userarn: ada.lovelace
`})
	for _, fault := range doc.Faults {
		fmt.Println(fault)
	}
	table := awsauth.NewTable(doc)
	for _, who := range []string{"arn:aws:iam::111122223333:user/ada.lovelace", "arn:aws:iam::444455556666:user/ada.lovelace"} {
		principal, err := arn.ParsePrincipal(who)
		if err != nil {
			fmt.Println(err)
			return
		}
		m, err := table.Map(arn.Identity{Principal: principal})
		var unmapped *awsauth.NotMappedError
		if errors.As(err, &unmapped) {
			fmt.Println(err)
			fmt.Println(unmapped.Hints()[0])
			continue
		}
		fmt.Println(m.Username, m.Groups, "because of", m.Reason())
	}
	// Output:
	// EKSConfigMap mapUsers line 6: error: "ada.lovelace" does not begin with "arn:"; write it as arn:aws:iam::111122223333:user/NAME
	// ada.lovelace [awesome-app-admin] because of EKSConfigMap mapUsers[0] (line 2), by ARN
	// arn:aws:iam::444455556666:user/ada.lovelace is not mapped
	// EKSConfigMap mapUsers[0] (line 2) is for arn:aws:iam::111122223333:user/ada.lovelace: the account is another
}
