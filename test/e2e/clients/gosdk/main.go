// Command gosdk asks STS who it is, once for each line that comes in.
//
// Credentials, region and endpoint are what aws-sdk-go-v2 finds by itself. Each
// answer is one line of JSON, with the credentials that it was asked with.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func main() {
	if err := run(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, in io.Reader, out io.Writer) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := sts.NewFromConfig(cfg)
	answers := json.NewEncoder(out)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		who, err := client.GetCallerIdentity(ctx, nil)
		if err != nil {
			return err
		}
		credentials, err := cfg.Credentials.Retrieve(ctx)
		if err != nil {
			return err
		}
		err = answers.Encode(struct{ Arn, AccessKeyId, SecretAccessKey, SessionToken string }{
			aws.ToString(who.Arn), credentials.AccessKeyID, credentials.SecretAccessKey, credentials.SessionToken,
		})
		if err != nil {
			return err
		}
	}
	return lines.Err()
}
