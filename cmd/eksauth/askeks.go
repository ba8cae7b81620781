package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/eksauth/eksauth/accessentry"
	"github.com/eksauth/eksauth/arn"
	"github.com/eksauth/eksauth/internal/cli"
	"github.com/eksauth/eksauth/sigv4"
)

// askEKS makes one read-only call of EKS's API. The SDK's EKS client would slow
// every start by a quarter (docs/architecture.md), so requests are signed here. Of
// the SDK's endpoint rules it follows AWS_ENDPOINT_URL and the region; FIPS and
// dual-stack hosts need AWS_ENDPOINT_URL_EKS. What EKS refuses is an *eksError.
func (p *program) askEKS(ctx context.Context, cfg aws.Config, creds sigv4.Credentials, path string, query url.Values, answer any) error {
	base, err := p.eksEndpoint(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	target := strings.TrimSuffix(base, "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("ask EKS: %w", err)
	}
	if err := sigv4.Sign(req, sigv4.EmptyPayload, creds, cfg.Region, "eks", time.Now()); err != nil {
		return fmt.Errorf("ask EKS: %w", err)
	}
	client := cfg.HTTPClient // set if there is an AWS_CA_BUNDLE
	if client == nil {
		client = awshttp.NewBuildableClient()
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask EKS: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("ask EKS: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return newEKSError(resp, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("EKS's answer is not JSON: %w", err)
	}
	return nil
}

func (p *program) eksEndpoint(cfg aws.Config) (string, error) {
	if cfg.Region == "" {
		return "", cli.Hint(cli.Usage("no region: EKS has no global endpoint"), "--region REGION or AWS_REGION")
	}
	if base := firstOf(p.Getenv("AWS_ENDPOINT_URL_EKS"), p.Getenv("AWS_ENDPOINT_URL"), aws.ToString(cfg.BaseEndpoint)); base != "" {
		return base, nil
	}
	partition, ok := arn.PartitionOfRegion(cfg.Region)
	if !ok {
		return "", cli.Hint(fmt.Errorf("%q is not the name of an AWS region", cfg.Region), "--region REGION or AWS_REGION")
	}
	return "https://eks." + cfg.Region + "." + partition.DNSSuffix, nil
}

// eksError is an answer of EKS that is none.
type eksError struct{ code, message string }

func newEKSError(resp *http.Response, body []byte) *eksError {
	var answer struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &answer) // an error without a message is one too
	code, _, _ := strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	return &eksError{code, firstOf(answer.Message, resp.Status)}
}

func (e *eksError) Error() string { return "EKS refuses: " + strings.TrimSpace(e.code+" "+e.message) }

// eksAccess reads the access entries of a cluster for the doctor.
type eksAccess struct {
	account *accountClient
	cluster string
}

// maxEntryPages bounds what is read to find one.
const maxEntryPages = 100

func (e eksAccess) ask(ctx context.Context, path string, query url.Values, answer any) error {
	return e.account.p.askEKS(ctx, e.account.cfg, e.account.creds, "/clusters/"+url.PathEscape(e.cluster)+path, query, answer)
}

func (e eksAccess) Mode(ctx context.Context) (string, error) {
	var answer struct {
		Cluster struct {
			AccessConfig struct {
				AuthenticationMode string `json:"authenticationMode"`
			} `json:"accessConfig"`
		} `json:"cluster"`
	}
	err := e.ask(ctx, "", nil, &answer)
	return answer.Cluster.AccessConfig.AuthenticationMode, err
}

func (e eksAccess) Entries(ctx context.Context, p arn.Principal) (entries []accessentry.Entry, err error) {
	query := url.Values{"maxResults": {"100"}}
	for range maxEntryPages {
		var page struct {
			AccessEntries []string `json:"accessEntries"`
			NextToken     string   `json:"nextToken"`
		}
		if err := e.ask(ctx, "/access-entries", query, &page); err != nil {
			return nil, err
		}
		for _, principal := range page.AccessEntries {
			q, err := arn.ParsePrincipal(principal)
			if err != nil || q.Canonical() != p.Canonical() {
				continue
			}
			entry, err := e.entry(ctx, principal)
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry)
		}
		if page.NextToken == "" {
			break
		}
		query.Set("nextToken", page.NextToken)
	}
	return entries, nil
}

func (e eksAccess) entry(ctx context.Context, principal string) (accessentry.Entry, error) {
	path := "/access-entries/" + url.PathEscape(principal)
	var described struct {
		AccessEntry struct {
			Username         string   `json:"username"`
			Type             string   `json:"type"`
			KubernetesGroups []string `json:"kubernetesGroups"`
		} `json:"accessEntry"`
	}
	if err := e.ask(ctx, path, nil, &described); err != nil {
		return accessentry.Entry{}, err
	}
	var associated struct {
		Policies []struct {
			ARN   string `json:"policyArn"`
			Scope struct {
				Namespaces []string `json:"namespaces"`
			} `json:"accessScope"`
		} `json:"associatedAccessPolicies"`
	}
	if err := e.ask(ctx, path+"/access-policies", nil, &associated); err != nil {
		return accessentry.Entry{}, err
	}
	entry := accessentry.Entry{
		PrincipalARN: principal, Username: described.AccessEntry.Username, Type: accessentry.Type(described.AccessEntry.Type),
		Groups: slices.Clone(described.AccessEntry.KubernetesGroups),
	}
	for _, a := range associated.Policies {
		entry.Policies = append(entry.Policies, accessentry.Association{Policy: a.ARN[strings.LastIndex(a.ARN, "/")+1:], Namespaces: a.Scope.Namespaces})
	}
	return entry, nil
}
