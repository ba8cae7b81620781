package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/guard"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/internal/kubectl"
)

// judge refuses what the guard refuses: see package guard.
func judge(edit guard.Edit) error {
	problems := guard.Check(edit).Problems
	if len(problems) == 0 {
		return nil
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return cli.Hint(errors.New(strings.Join(lines, "\n")), "to do it all the same, give --force")
}

func newEdit(before, after map[string]string) guard.Edit {
	return guard.Edit{Before: awsauth.ParseConfigMap(before), After: awsauth.ParseConfigMap(after)}
}

// judgeInCluster asks the cluster whether it has nodes only if that matters.
func judgeInCluster(ctx context.Context, c kubectl.Client, edit guard.Edit) error {
	if err := judge(edit); err != nil {
		return err
	}
	edit.NodesExist = true
	err := judge(edit)
	if err != nil && !mayHaveNodes(ctx, c) {
		return nil
	}
	return err
}

// mayHaveNodes: not to know it is as if there were some.
func mayHaveNodes(ctx context.Context, c kubectl.Client) bool {
	raw, err := c.Raw(ctx, "/api/v1/nodes?limit=1")
	var list struct{ Items []json.RawMessage }
	return err != nil || json.Unmarshal(raw, &list) != nil || len(list.Items) > 0
}
