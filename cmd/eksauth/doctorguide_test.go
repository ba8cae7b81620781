package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/eksauth/eksauth/doctor/symptom"
	"github.com/eksauth/eksauth/internal/cli"
)

// The guide lists each message that is recognised.
func TestDoctorGuideListsAllMessages(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guides/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range symptom.Known() {
		if !strings.Contains(string(guide), "`"+m.ID+"`") {
			t.Errorf("the guide does not list %s", m.ID)
		}
	}
}

// What the doctor says to run exists: each eksauth command with each flag.
func TestDoctorNamesRealCommands(t *testing.T) {
	root := newRoot(cli.IO{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Getenv: func(string) string { return "" }})
	call := regexp.MustCompile(`\beksauth ([a-z]+(?: (?:list|explain|add|remove|lint|diff|restore|convert|pod|serviceaccount|user|token)\b)?)([^|;,)$\n]*)`)
	flag := regexp.MustCompile(`--[a-z-]+`)
	checked := 0
	for _, m := range symptom.Known() {
		for _, c := range m.Causes {
			for _, found := range call.FindAllStringSubmatch(c.Check+" \n"+c.Fix, -1) {
				words := strings.Fields(found[1])
				cmd, rest, err := root.Find(words)
				if prose := words[0] == "and" || words[0] == "takes"; prose {
					continue
				}
				if err != nil || len(rest) > 0 {
					t.Errorf("%s: eksauth %s does not exist", m.ID, found[1])
					continue
				}
				checked++
				for _, f := range flag.FindAllString(found[2], -1) {
					if cmd.Flag(f[2:]) == nil && cmd.InheritedFlags().Lookup(f[2:]) == nil {
						t.Errorf("%s: eksauth %s has no %s", m.ID, found[1], f)
					}
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("%d commands checked", checked)
	}
}
