package main

import (
	"github.com/eksauth/eksauth/awsauth"
	"github.com/eksauth/eksauth/internal/cli"
)

// What is used of SARIF 2.1.0 (OASIS Standard, 27 March 2020).
type (
	sarif struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID          string    `json:"id"`
		Description sarifText `json:"shortDescription"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region *sarifRegion `json:"region,omitempty"`
		} `json:"physicalLocation"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
)

// mapRules are those of map lint.
func mapRules() []sarifRule {
	var rules []sarifRule
	for _, rule := range awsauth.Rules() {
		rules = append(rules, sarifRule{string(rule), sarifText{rule.Description()}})
	}
	return append(rules, sarifRule{string(lossRule), sarifText{"An edit takes nothing away that somebody depends on."}})
}

// newSARIF has the findings of one or more sources, by the same rules.
func newSARIF(sources ...findings) sarif {
	all := sources[0]
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "eksauth", Version: cli.Version()}
	// With what it is about, a rule's name is its own among those of other tools.
	for _, rule := range all.rules {
		rule.ID = all.what + "-" + rule.ID
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
	}
	for _, all := range sources {
		for _, f := range all.Findings {
			result := sarifResult{RuleID: all.what + "-" + string(f.Rule), Level: f.Severity, Message: sarifText{f.advice()}}
			if all.File != "" {
				var at sarifLocation
				at.Physical.Artifact.URI = all.File
				if f.FileLine > 0 {
					at.Physical.Region = &sarifRegion{f.FileLine, f.FileColumn}
				}
				result.Locations = []sarifLocation{at}
			}
			run.Results = append(run.Results, result)
		}
	}
	return sarif{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}}
}
